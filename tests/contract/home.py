"""A directory with a certctl.toml, and certctl run in it as anybody would: by its command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

HEADER = 'state_dir = "state"\nhooks_dir = "hooks"\n'
DOCUMENTED = (0, 1, 2, 3, 75)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
PRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})+")


class Result(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


class Home:
    """Commands run in *path*, where certctl.toml, state/ and hooks/ are."""

    def __init__(self, path: Path, prefix: tuple[str, ...] = ()) -> None:
        self.path = path
        self.prefix = prefix
        self._started: list[subprocess.Popen[bytes]] = []

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def config(self, text: str) -> None:
        """Write certctl.toml: state and hooks of this directory's own, then *text*."""
        write(self.path / "certctl.toml", HEADER + text)

    def edit(self, old: str, new: str) -> None:
        """Replace a piece of certctl.toml that is there once."""
        text = (self.path / "certctl.toml").read_text()
        assert text.count(old) == 1, (old, text)
        write(self.path / "certctl.toml", text.replace(old, new))

    def script(self, name: str, body: str) -> Path:
        """Write an executable sh script, *body* having this directory in $HERE."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write(path, f'#!/bin/sh\nHERE="{self.path}"\n{body}\n')
        path.chmod(0o755)
        return path

    def command(self, *args: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "certctl", *args]

    def __call__(
        self,
        *args: str,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        umask: int = -1,
    ) -> Result:
        """Run certctl; whatever it is given, it ends with a documented code and without a traceback."""
        done = subprocess.run(
            self.command(*args),
            cwd=cwd or self.path,
            env={**environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            umask=umask,
            timeout=120,
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in result.text, result.text
        assert result.code in DOCUMENTED, result
        assert code is None or result.code == code, result
        return result

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start certctl, its output in the files out and err of the directory."""
        with open(self.path / "out", "wb") as out, open(self.path / "err", "wb") as err:
            started = subprocess.Popen(
                self.command(*args),
                cwd=self.path,
                env={**environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self._started.append(started)
        return started

    def end(self) -> None:
        """End what was started and still runs: a test that failed leaves no search behind for hours."""
        for started in self._started:
            if started.poll() is None:
                started.terminate()
                try:
                    started.wait(30)
                except subprocess.TimeoutExpired:
                    started.kill()
                    started.wait()

    def json(self, *args: str, code: int | None = 0) -> Any:
        """What a command prints with --json, which is the only thing on its standard output."""
        return self(*args, "--json", code=code).json

    def certificate(self, name: str = "mx1") -> Any:
        """A certificate's entry in `status --json`."""
        (found,) = self.json("status", name)["certificates"]
        return found

    def pins(self, slot: str, name: str = "mx1") -> list[str]:
        """The fingerprints that are shown for a slot, as `fingerprints` prints them for machines."""
        listed = self.json("fingerprints", name, "--slot", slot)["fingerprints"]
        return [entry["fingerprint"] for entry in listed]

    def steps(self, *args: str, code: int = 0) -> list[tuple[str, str]]:
        """Kind and subject of each step that `plan` shows."""
        return [(step["kind"], step["subject"]) for step in self.json("plan", *args, code=code)["steps"]]

    def lines(self, name: str) -> list[str]:
        """The lines of a file that may not be there."""
        path = self.path / name
        return path.read_text().splitlines() if path.exists() else []

    def snapshot(self) -> dict[str, tuple[object, ...]]:
        """All there is of every file below: what a command that changes nothing leaves alone."""
        seen: dict[str, tuple[object, ...]] = {}
        for parent, directories, files in os.walk(self.path):
            for name in ["", *directories, *files]:
                path = os.path.join(parent, name)
                about = os.lstat(path)
                content = os.readlink(path) if stat.S_ISLNK(about.st_mode) else digest(path)
                seen[path] = (
                    stat.filemode(about.st_mode),
                    about.st_uid,
                    about.st_gid,
                    about.st_ino,
                    about.st_mtime_ns,
                    about.st_ctime_ns,
                    content,
                )
        return seen


def environment() -> dict[str, str]:
    """A plain environment, in which Python may keep its byte code."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "PYTHONPATH") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8"}


def write(path: Path, text: str) -> None:
    """Write a file that only its owner may write."""
    path.write_text(text)
    path.chmod(0o644)


def digest(path: str) -> str:
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def moment(text: str) -> datetime:
    """Read a time of a JSON document, which is RFC 3339 in UTC."""
    assert TIME.fullmatch(text), text
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition, but not for ever."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def until_moment(text: str) -> None:
    """Wait for a moment that certctl named."""
    until(lambda: datetime.now(timezone.utc) > moment(text), text)


def until_held(home: Home) -> None:
    """Wait for the end of a hold-down, which status names only as long as it lasts."""
    if end := home.certificate()["hold_until"]:
        until_moment(end)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
