"""A world for the shipped hooks: a PATH of stand-ins for the servers' commands, and a log of their calls."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from certctl.deploy.lookup import find_hook, shipped_dir
from certctl.deploy.process import run_hook
from certctl.ports import HookOutcome

TOOLS = (
    *(
        "awk",
        "basename",
        "cat",
        "chmod",
        "chown",
        "cp",
        "dirname",
        "find",
        "grep",
        "head",
        "id",
        "mkdir",
        "mktemp",
        "mv",
    ),
    *("printf", "rm", "sed", "sh", "sleep", "sort", "stat", "sync", "tee", "touch", "tr"),
)


class World:
    """A PATH that holds stand-ins and a few tools and nothing else; every stand-in logs how it was called."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.log = directory / "log"
        # A copy: as root, hooks of a checkout that belongs to somebody else would be refused.
        self.hooks = shutil.copytree(shipped_dir("hooks"), directory / "hooks")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.bin / tool).symlink_to(found)

    def program(self, name: str, body: str = "", path: Path | None = None) -> Path:
        """Make a stand-in that logs its arguments, then does *body* (sh; $W is the world's directory)."""
        path = path or self.bin / name
        path.write_text(f'#!/bin/sh\nW={self.directory}\necho "{name} $*" >>$W/log\n{body}\n')
        path.chmod(0o755)
        return path

    @contextlib.contextmanager
    def process(self, name: str, body: str = "") -> Iterator[int]:
        """A process of that name, which logs the signals that *body* traps; yields its pid."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\nW={self.directory}\n{body}\ntouch $W/up\nwhile :; do sleep 0.05; done\n")
        path.chmod(0o755)
        child = subprocess.Popen([str(path)], env={"PATH": str(self.bin)})
        try:
            self.wait((self.directory / "up").exists)
            yield child.pid
        finally:
            child.kill()
            child.wait()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds, which is to be soon."""
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def run(self, hook: str, *arguments: str, files: tuple[str, ...] = ()) -> HookOutcome:
        """Run a shipped hook as certctl does; the log starts anew."""
        self.log.write_text("")
        environment = {
            "CERTCTL_HOOK": hook,
            "CERTCTL_FILES": "\n".join(files),
            "CERTCTL_CERTIFICATES": "mx1",
            "CERTCTL_CONFIG": "/etc/certctl/certctl.toml",
            "PATH": str(self.bin),
        }
        return run_hook([*find_hook(hook, str(self.hooks)), *arguments], environment, 20)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()

    def write(self, name: str, text: str = "", mode: int = 0o644) -> str:
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)


def rests(outcome: HookOutcome, hook: str, *words: str) -> bool:
    """True if the hook found its server stopped: no failure, and its last line says so."""
    line = outcome.output.splitlines()[-1]
    assert outcome.exit_status == 0, outcome.output
    assert line.startswith(f"{hook} hook: "), outcome.output
    assert [word for word in (*words, "is not running", "when it starts") if word not in line] == []
    return True


def failed(outcome: HookOutcome, hook: str, *words: str) -> bool:
    """True if the hook failed, and its last line is its own, holds *words* and says what to type."""
    line = outcome.output.splitlines()[-1]
    assert outcome.exit_status == 1, outcome.output
    assert line.startswith(f"{hook} hook: "), outcome.output
    assert "; type: " in line
    assert [word for word in words if word not in line] == []
    return True
