"""A directory with a certctl.toml, hooks and programs of its own, and the time that certctl sees in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certctl import config
from certctl.app import wiring
from certctl.cli.main import main
from certctl.planning.spec import Spec
from certctl.store.layout import Layout
from certctl.system import clocks
from tests.support import programs

STATE = 'state_dir = "state"\n'
HOOK = '[hook.reload]\ncommand = ["bin/reload"]\n'


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class World:
    """Runs commands in this process, or wherever it was forked to, under a clock that tests move.

    In *root*: certctl.toml, state/, tls/ (for outputs), bin/ (programs), and the
    logs of the programs. Paths in the configuration are relative to it.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.offset = timedelta()
        self.began_with: dict[str, int] = {}
        """The files that a snapshot brought back, by path: their inodes."""
        self.path = str(root / "certctl.toml")
        self.tls = root / "tls"
        self.tls.mkdir(mode=0o755)
        self.layout = Layout(str(root / "state"))
        self.authority = programs.install(root)
        self._clock = wiring.clock
        self._uptime = clocks.uptime
        self.wrong = timedelta()
        """By how much the time of day is wrong; the kernel's count of seconds never is."""
        monkeypatch.setattr(wiring, "clock", lambda: self.now)
        monkeypatch.setattr(clocks, "uptime", lambda: self._uptime() + self.offset.total_seconds())
        monkeypatch.setattr(clocks, "synchronized", lambda: False)

    def configure(self, text: str) -> None:
        """Write certctl.toml: the state directory and the hook reload are there without saying so."""
        hook = "" if "[hook." in text else HOOK
        Path(self.path).write_text(f"{STATE}{text}\n{hook}")

    @property
    def spec(self) -> Spec:
        return config.load(self.path)

    @property
    def now(self) -> datetime:
        """The time in this world: it runs as outside, but may be ahead."""
        return self._clock() + self.offset + self.wrong

    def later(self, **passed: float) -> None:
        """Let time pass, as timedelta counts it."""
        self.offset += timedelta(**passed)

    def __call__(self, *argv: str) -> Ran:
        """Run a command as the console script would."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(["--config", self.path, *argv])
            except SystemExit as stopped:
                code = stopped.code if isinstance(stopped.code, int) else 1
        return Ran(code, out.getvalue(), err.getvalue())

    def outside(self, *argv: str, under: Sequence[str] = (), umask: int = 0o022) -> Ran:
        """Run a command as a process of its own, by the real clock, *under* another program."""
        command = [*under, sys.executable, "-m", "certctl", "--config", self.path, *argv]
        ended = subprocess.run(command, capture_output=True, text=True, umask=umask, cwd=self.root)
        return Ran(ended.returncode, ended.stdout, ended.stderr)

    def done(self, *argv: str) -> Ran:
        """Run a command that must succeed."""
        ran = self(*argv)
        assert ran.code == 0, f"{argv}: {ran}"
        return ran

    def steps(self) -> list[dict[str, Any]]:
        """What a pass would do, every file's content compared."""
        found: list[dict[str, Any]] = self.done("plan", "--json", "--verify").document["steps"]
        return found

    def status(self) -> dict[str, dict[str, Any]]:
        """What status says, by certificate."""
        return {row["name"]: row for row in self.done("status", "--json").document["certificates"]}

    # What a scenario begins with

    def save(self) -> Snapshot:
        return Snapshot.take(self)


class Snapshot(NamedTuple):
    """All of a world at one moment, to come back to it in the same place."""

    world: World
    copy: Path
    offset: timedelta

    @classmethod
    def take(cls, world: World) -> Snapshot:
        copy = world.root.with_name(world.root.name + ".saved")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(world.root, copy, symlinks=True)
        return cls(world, copy, world.offset)

    def restore(self) -> None:
        for entry in os.scandir(self.world.root):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
        shutil.copytree(self.copy, self.world.root, symlinks=True, dirs_exist_ok=True)
        self.world.offset = self.offset
        self.world.began_with = {
            os.path.join(top, name): os.lstat(os.path.join(top, name)).st_ino
            for top, directories, names in os.walk(self.world.root)
            for name in directories + names
        }
