"""Writing below directories that others own: nobody can lead certctl, which may be root, elsewhere."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from certctl.errors import StoreError
from certctl.store import atomic
from tests.support import crash, strangers
from tests.support.strangers import NOBODY, OPEN_TO_NOBODY

# Exchanges two names for each other, a directory and a link, until it is killed: there is always one
# of them at each name.
SWAP = """
import os, sys

COUNTED = "hostile inputs"
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
place, victim = sys.argv[1:]
os.chdir(place)
print("ready", flush=True)
while True:
    try:
        os.symlink(victim, "link")
    except FileExistsError:
        pass
    for old, new in (("inner", "kept"), ("link", "inner"), ("inner", "link"), ("kept", "inner")):
        try:
            os.rename(old, new)
        except OSError:
            pass
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def ground() -> Iterator[Path]:
    with strangers.ground() as made:
        yield made


@pytest.fixture
def foreign(ground: Path) -> Path:
    """A directory of nobody's, which nobody can reach."""
    return strangers.directory(ground / "foreign")


@pytest.fixture
def victim(ground: Path) -> Path:
    """A directory that is root's alone."""
    place = ground / "victim"
    place.mkdir(mode=0o700)
    (place / "file").write_bytes(b"precious")
    return place


@contextmanager
def swapping(place: Path, victim: Path) -> Iterator[None]:
    """Its owner exchanges *place*/inner for a link to *victim* all the time."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", SWAP, str(place), str(victim)], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        yield
    finally:
        child.kill()
        child.communicate()


ACTS: dict[str, Callable[[str, int], None]] = {
    "write": lambda inner, _: atomic.write(f"{inner}/file", b"new", 0o644),
    "cache": lambda inner, _: atomic.replace_cache(f"{inner}/file", b"new", 0o644),
    "remove": lambda inner, _: atomic.remove(f"{inner}/file"),
    "directory": lambda inner, n: atomic.make_directory(f"{inner}/{n}/more", 0o755),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_race_is_never_won(foreign: Path, victim: Path, act: str) -> None:
    """Whoever exchanges a directory of his for a link, again and again, leads nothing to where it points."""
    (foreign / "inner").mkdir(mode=0o755)
    os.chown(foreign / "inner", NOBODY, NOBODY)
    done = 0
    with swapping(foreign, victim):
        for number in range(1500):
            try:
                ACTS[act](f"{foreign}/inner", number)
                done += 1
            except StoreError:
                pass
    assert done, "nothing was tried"
    assert (victim / "file").read_bytes() == b"precious"
    assert os.listdir(victim) == ["file"]
    assert mode(victim) == 0o700


def test_a_new_directory_is_exchanged(foreign: Path, victim: Path) -> None:
    """A directory that its parent's owner exchanges for a link when it was just made: only ours is opened."""
    exchanged: list[str] = []

    def at(_: int, name: str, path: str) -> None:
        if name in ("chmod", "fchmod", "fsync") and not exchanged:
            exchanged.append(name)
            os.rename(foreign / "inner", foreign / "kept")
            os.symlink(victim, foreign / "inner")

    with crash.watching(at):
        atomic.make_directory(f"{foreign}/inner", 0o755)
    assert exchanged == ["fchmod"]
    assert (mode(victim), mode(foreign / "kept")) == (0o700, 0o755)


def test_a_strangers_link_is_told(foreign: Path, victim: Path) -> None:
    """A link that the owner of a directory put there is refused by name, whichever end it points at."""
    (foreign / "inner").symlink_to(victim)
    os.lchown(foreign / "inner", NOBODY, NOBODY)
    with pytest.raises(StoreError, match="inner on the way is a symlink made by nobody") as caught:
        atomic.write(f"{foreign}/inner/file", b"new", 0o644)
    assert caught.value.hint == f"see who can lead certctl elsewhere: namei -l {foreign}/inner"
    os.unlink(foreign / "inner")
    (foreign / "inner").symlink_to(victim)
    with pytest.raises(StoreError, match="inner on the way is a symlink in a directory of nobody"):
        atomic.remove(f"{foreign}/inner/file")
    assert (victim / "file").read_bytes() == b"precious"


def test_ones_own_link_is_followed(tmp_path: Path) -> None:
    """A directory may be a link of one's own, to a larger disk say, unless none is allowed there."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "place").symlink_to("disk")
    atomic.make_directory(f"{tmp_path}/place/a/b")
    atomic.write(f"{tmp_path}/place/a/b/file", b"content", 0o600)
    assert (tmp_path / "disk/a/b/file").read_bytes() == b"content"
    with pytest.raises(StoreError, match="place on the way is a symlink"):
        atomic.replace_cache(f"{tmp_path}/place/file", b"content", 0o600, str(tmp_path))
    (tmp_path / "round").symlink_to("round/and")
    with pytest.raises(StoreError, match="cannot write"):
        atomic.write(f"{tmp_path}/round/file", b"content", 0o600)


def test_a_group_that_inherits_gets_no_key(tmp_path: Path) -> None:
    """In a directory with the setgid bit a key belongs to the own group; what all may read is as usual."""
    strangers.need_root()
    os.chown(tmp_path, 0, NOBODY)
    tmp_path.chmod(0o2755)
    atomic.write(f"{tmp_path}/key", b"secret", 0o640)
    atomic.write(f"{tmp_path}/public", b"public", 0o644)
    assert os.lstat(tmp_path / "key").st_gid == os.getegid()
    assert os.lstat(tmp_path / "public").st_gid == NOBODY


def test_entries_that_are_inherited_open_no_key(tmp_path: Path) -> None:
    """A directory whose default entries let a user read everything lets him read no key."""
    try:
        os.setxattr(tmp_path, "system.posix_acl_default", OPEN_TO_NOBODY)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    atomic.write(f"{tmp_path}/key", b"secret", 0o640)
    assert mode(tmp_path / "key") == 0o640
    assert "system.posix_acl_access" not in os.listxattr(tmp_path / "key")
    atomic.write(f"{tmp_path}/public", b"public", 0o644)
    assert "system.posix_acl_access" in os.listxattr(tmp_path / "public"), "the check sees nothing"


def test_modes_that_do_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is put on a file system that takes a mode and gives another; nothing is left behind."""
    monkeypatch.setattr(os, "fchmod", lambda fd, _: os.chmod(f"/proc/self/fd/{fd}", 0o755))
    with pytest.raises(StoreError, match="its file system gives it mode 0755, not 0600") as caught:
        atomic.write(f"{tmp_path}/key", b"secret", 0o600)
    assert caught.value.hint == f"keep it on one with modes and owners of its own: findmnt -T {tmp_path}"
    assert not os.listdir(tmp_path)
    atomic.write(f"{tmp_path}/public", b"public", 0o644)


def test_owners_that_do_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is put on a file system that takes an owner and keeps another."""
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    with pytest.raises(StoreError, match="its file system gives it owner"):
        atomic.write(f"{tmp_path}/key", b"secret", 0o600, 12345, -1)
    assert not os.listdir(tmp_path)


def test_what_was_written_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO put in place of a temporary file is not waited for: what was written is what is synced."""
    tried = []

    def at(operation: str, path: str) -> None:
        if operation == "fsync" and path.endswith(atomic.TEMPORARY):
            os.unlink(path)
            os.mkfifo(path)
            tried.append(path)

    monkeypatch.setattr(atomic, "seam", at)
    atomic.write(f"{tmp_path}/file", b"content", 0o644)
    assert tried
