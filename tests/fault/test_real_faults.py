"""Faults that the kernel makes: a tiny disk, files that may not be written, system calls that fail."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fault import mounts
from tests.support import invariants, memory, scenarios
from tests.support.world import Ran, World

Require = Callable[[str], str]


def failed(ran: Ran, *words: str) -> None:
    """Exit 1, and one error line that holds all of *words*."""
    assert ran.code == 1, ran
    assert "Traceback" not in ran.err
    assert "internal error" not in ran.err
    lines = [line for line in ran.err.splitlines() if line.startswith("certctl: error: ")]
    assert any(all(word in line for word in words) for line in lines), ran.err


@pytest.mark.parametrize("shortage", ["size", "inodes"])
def test_tiny_disk(world: World, shortage: str) -> None:
    """With ever more room on a tiny file system, certctl fails by name until it fits, and wastes nothing."""
    world.configure(scenarios.PRIVATE_CA)
    state = Path(world.layout.root)
    steps = range(4, 200, 4) if shortage == "size" else range(2, 100)
    option = "size={}k" if shortage == "size" else "size=1m,nr_inodes={}"
    failures = 0
    with mounts.tiny(state, option.format(steps[0])):
        for room in steps:
            mounts.resize(state, option.format(room))
            ran = world("run")
            invariants.check_always(world, first=True)
            if ran.code == 0:
                break
            failed(ran, f"{state}", "no space left on device")
            failures += 1
        assert failures > 3
        invariants.check_settled(world)
        assert world.status()["mx1"]["next"]["generation"] == 2


def test_full_disk_keeps_what_is_served(world: World) -> None:
    """On a disk that has filled up, renewal and rotation fail by name; the pair that is served stays."""
    world.configure(scenarios.SELF_SIGNED)
    state = Path(world.layout.root)
    with mounts.tiny(state, "size=256k"):
        world.done("run")
        before = (world.tls / "mx1.pem").read_bytes()
        ballast = state / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                assert ballast.stat().st_size
        for command in (("renew", "mx1"), ("rotate", "mx1"), ("run",)):
            ran = world(*command)
            if command != ("run",):
                failed(ran, f"{state}", "no space left on device")
            invariants.check_always(world)
            assert (world.tls / "mx1.pem").read_bytes() == before
        ballast.unlink()
        world.done("renew", "mx1")
        invariants.check_settled(world)
        assert (world.tls / "mx1.pem").read_bytes() != before


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory outside of tmpfs, which knows chattr(1) only since Linux 6.6."""
    with tempfile.TemporaryDirectory(prefix="certctl-test-", dir=memory.DISK) as path:
        yield Path(path)


def test_immutable_output(world: World, disk: Path, require_program: Require) -> None:
    """An output that may not be replaced is named; the others are written, and later it follows."""
    require_program("chattr")
    text = scenarios.PRIVATE_CA.replace('"tls/mx1.pem"', f'"{disk}/locked.pem"')
    world.configure(text + '[[certificate.mx1.file]]\npath = "tls/other.pem"\n')
    world.done("run")
    locked = disk / "locked.pem"
    before, other = locked.read_bytes(), (world.tls / "other.pem").read_bytes()
    with mounts.immutable(locked):
        failed(world("renew", "mx1"), f"{locked}", "operation not permitted")
        assert locked.read_bytes() == before
        assert (world.tls / "other.pem").read_bytes() != other
        invariants.check_always(world)
        failed(world("run"), f"{locked}", "operation not permitted")
    world.done("run")
    invariants.check_settled(world)


def test_read_only_directory(world: World) -> None:
    """An output directory that is mounted read-only is named, with what to look at; state and live go on."""
    world.configure(scenarios.PRIVATE_CA)
    world.done("run")
    before = (world.tls / "mx1.pem").read_bytes()
    with mounts.read_only(world.tls):
        ran = world("renew", "mx1")
        failed(ran, f"{world.tls}/mx1.pem", "read-only file system")
        assert "findmnt -T" in ran.err
        assert (world.tls / "mx1.pem").read_bytes() == before
        invariants.check_always(world)
    world.done("run")
    invariants.check_settled(world)


def test_read_only_state(world: World) -> None:
    """A state directory that is mounted read-only: status and plan work, run fails by name."""
    world.configure(scenarios.PRIVATE_CA)
    world.done("run")
    (world.tls / "mx1.pem").unlink()
    with mounts.read_only(Path(world.layout.root)):
        assert world.steps() != []
        failed(world("run"), world.layout.root, "read-only file system")
        assert world.status()["mx1"]["current"]
    world.done("run")
    invariants.check_settled(world)


# Which call, which error, on which path (or in which directory) below the world; and what the message says.
INJECTED = (
    ("fsync", "EIO", "", "input/output error"),
    ("syncfs", "EIO", "", "input/output error"),
    ("write", "ENOSPC", "tls/.mx1.pem.certctl-tmp", "no space left on device"),
    ("write", "ENOSPC", "state/state/.mx1.json.certctl-tmp", "no space left on device"),
    ("renameat", "EROFS", "tls", "read-only file system"),
    ("renameat", "EIO", "state/live", "input/output error"),
    ("symlinkat", "EACCES", "state/live", "permission denied"),
    ("mkdirat", "ENOSPC", "state/certificates", "no space left on device"),
)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: "-".join(fault[:3]).replace("/", "_"))
def test_injected(world: World, require_program: Require, fault: tuple[str, str, str, str]) -> None:
    """A system call that fails under the real command is told with its file, and the next pass heals."""
    call, code, path, said = fault
    world.configure(scenarios.SELF_SIGNED)
    only = ["-P", str(world.root / path)] if path else []
    strace = [require_program("strace"), "-f", "-o", "/dev/null", *only]
    inject = f"inject={call}:error={code}" if path else f"inject={call}:error={code}:when=1"
    ran = world.outside("run", under=[*strace, "-e", f"trace={call}", "-e", inject])
    failed(ran, said, str(world.root))
    invariants.check_always(world, first=True)
    ended = world.outside("run")
    assert ended.code == 0, ended
    invariants.check_settled(world)


@pytest.mark.parametrize("call", ["renameat", "fsync", "syncfs", "symlinkat", "fchmod"])
def test_killed_in_a_call(world: World, require_program: Require, call: str) -> None:
    """The kernel kills the real command within a system call; the next pass converges."""
    world.configure(scenarios.SELF_SIGNED)
    strace = [require_program("strace"), "-f", "-o", "/dev/null", "-e", f"trace={call}"]
    for number in (1, 2, 4):
        ran = world.outside("run", under=[*strace, "-e", f"inject={call}:signal=KILL:when={number}"])
        invariants.check_always(world, first=True)
        if ran.code == 0:
            break
    ended = world.outside("run")
    assert ended.code == 0, ended
    invariants.check_settled(world)


def test_no_threads(world: World, require_program: Require) -> None:
    """Where a limit on processes leaves no thread to certctl, a pass does everything one after the other."""
    world.configure(scenarios.SELF_SIGNED + '[certificate.mx2]\nnames = ["mx2.example.org"]\n')
    strace = [require_program("strace"), "-f", "-o", "/dev/null", "-e", "trace=clone3"]
    ran = world.outside("run", under=[*strace, "-e", "inject=clone3:error=EAGAIN"])
    assert ran.code == 0, ran
    invariants.check_settled(world)
