"""Several certctls at once: one works, the others wait or say so, and a dead one holds nobody up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import invariants, programs, scenarios
from tests.support.world import World

# A hook that tells its start through one FIFO and waits for leave through another.
_WAITS = """#!/bin/sh
here=${0%/*/*}
echo started >"$here/started"
cat "$here/leave" >/dev/null
"""


def start(world: World, *argv: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "certctl", "--config", world.path, *argv]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ended(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    return [process.wait(timeout=60) for process in processes]


@contextlib.contextmanager
def held(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A certctl that holds the lock because its hook does not end before the context does."""
    (world.root / "bin" / "reload").write_text(_WAITS)
    for name in ("started", "leave"):
        os.mkfifo(world.root / name)
    process = start(world, "run")
    with (world.root / "started").open() as started:
        assert started.read() == "started\n"
    try:
        yield process
    finally:
        with (world.root / "leave").open("w"):
            pass
        process.wait(timeout=60)


@pytest.mark.parametrize("wait", ["30", "0"])
def test_ten_at_once(world: World, wait: str) -> None:
    """Ten first passes make one generation, one standby, one certificate; nobody fails for being late."""
    world.configure(scenarios.COMMAND)
    codes = ended([start(world, "run", "--wait", wait) for _ in range(10)])
    assert set(codes) <= ({0} if wait == "30" else {0, 75})
    assert 0 in codes
    assert invariants.numbers(world.status()["mx1"]) == (1, 2, None)
    assert (world.root / programs.SIGNED_LOG).read_text() == "mx1 ecdsa-p256\n"
    invariants.check_settled(world)


def test_wishes_at_once(world: World) -> None:
    """Passes, renewals and forced rotations from all sides are each granted; the key peers knew stays."""
    world.configure(scenarios.SELF_SIGNED)
    world.done("run")
    commands = [("run",), ("renew", "mx1"), ("rotate", "mx1", "--force", "--yes")] * 3
    assert set(ended([start(world, *command) for command in commands])) == {0}
    assert invariants.numbers(world.status()["mx1"]) == (4, 5, 1)
    invariants.check_settled(world)


def test_lock_is_held(world: World) -> None:
    """While a pass is under way another one is told so (75) and who looks is not kept waiting."""
    world.configure(scenarios.SELF_SIGNED)
    with held(world):
        ran = world.outside("run", "--wait", "0")
        assert ran.code == 75
        assert f"holds the lock {world.layout.lock}" in ran.err
        assert "fuser -v" in ran.err
        for command in (("status",), ("plan",), ("fingerprints",), ("log",), ("hooks",)):
            assert world.outside(*command).code == 0
        assert world.outside("rotate", "mx1", "--wait", "0").code == 75
    assert not world.status()["mx1"]["rotation_wanted"]


def test_killed_holder(world: World) -> None:
    """A SIGKILL frees the lock at once, though the hook that was running lives on; the hook is run again."""
    world.configure(scenarios.SELF_SIGNED)
    with held(world) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        programs.install_hook(world.root)
        ran = world.outside("run", "--wait", "0")
        assert ran.code == 0, ran
        assert "hook ran" in ran.err
    invariants.check_settled(world)


def test_hook_kills_certctl(world: World) -> None:
    """A hook that kills certctl has run, but is run once more: at least once, never less."""
    world.configure(scenarios.SELF_SIGNED)
    (world.root / programs.KILLS).touch()
    assert world.outside("run").code == -signal.SIGKILL
    log = world.root / "reload.log"
    assert len(log.read_text().splitlines()) == 1
    world.done("run")
    assert len(log.read_text().splitlines()) == 2
    invariants.check_settled(world)
