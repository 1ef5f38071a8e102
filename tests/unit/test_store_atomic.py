"""Writing files: whole or not at all, closed from the start, and nothing followed that somebody else made."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from certctl.errors import StoreError
from certctl.store import atomic
from certctl.store.disk import DiskStore
from tests.support import crash


def mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
@pytest.mark.parametrize("wanted", [0o600, 0o644, 0o440, 0o400])
def test_mode(tmp_path: Path, umask: int, wanted: int) -> None:
    """The umask neither opens nor closes a file."""
    os.umask(umask)
    atomic.write(f"{tmp_path}/file", b"content", wanted)
    assert mode(tmp_path / "file") == wanted
    assert os.listdir(tmp_path) == ["file"]


def test_symlink_is_replaced(tmp_path: Path) -> None:
    """A symlink at the path gives way to the file; what it points at stays as it is."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file").symlink_to(victim)
    atomic.write(f"{tmp_path}/file", b"new", 0o600)
    assert not (tmp_path / "file").is_symlink()
    assert victim.read_bytes() == b"precious"


def test_symlink_at_the_temporary_name(tmp_path: Path) -> None:
    """Whoever guesses the temporary name and puts a link there gains nothing."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f".file{atomic.TEMPORARY}").symlink_to(victim)
    atomic.write(f"{tmp_path}/file", b"new", 0o600)
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_directory_at_the_temporary_name(tmp_path: Path) -> None:
    """A stranger's directory under the temporary name is not gone into; the file is named."""
    (tmp_path / f".file{atomic.TEMPORARY}").mkdir()
    (tmp_path / f".file{atomic.TEMPORARY}" / "inner").write_bytes(b"whose?")
    with pytest.raises(StoreError, match=f"cannot write {tmp_path}/file: file exists"):
        atomic.write(f"{tmp_path}/file", b"new", 0o600)
    assert (tmp_path / f".file{atomic.TEMPORARY}" / "inner").read_bytes() == b"whose?"


def test_owner_comes_before_mode(tmp_path: Path) -> None:
    """A file for a group is closed to it until it belongs to it, so the group before never sees it."""
    with crash.watching(lambda *_: None) as seen:
        atomic.write(f"{tmp_path}/file", b"secret", 0o440, -1, os.getegid())
    names = [operation.name for operation in seen]
    assert names.index("write") < names.index("chown") < names.index("fchmod") < names.index("rename")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO])
def test_failure(tmp_path: Path, code: int) -> None:
    """A failure names the file, gives a hint, and leaves the old file and nothing else."""
    path = f"{tmp_path}/file"
    atomic.write(path, b"old", 0o600)

    def at(number: int, name: str, where: str) -> None:
        if name == "write":
            raise OSError(code, os.strerror(code), where)

    with crash.watching(at), pytest.raises(StoreError, match=f"cannot write {path}: ") as caught:
        atomic.write(path, b"new", 0o600)
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_missing_directory(tmp_path: Path) -> None:
    """A directory that is missing is named, with the command that makes it."""
    with pytest.raises(StoreError, match="no such file or directory") as caught:
        atomic.write(f"{tmp_path}/none/file", b"", 0o600)
    assert caught.value.hint == f"make its directory: install -d -m 0755 {tmp_path}/none"


def test_remains_of_a_crash(tmp_path: Path) -> None:
    """What a killed certctl left under temporary names goes, files and trees; anything else stays."""
    (tmp_path / f".tree{atomic.TEMPORARY}" / "inner").mkdir(parents=True)
    (tmp_path / f".tree{atomic.TEMPORARY}" / "inner" / "key").write_bytes(b"secret")
    (tmp_path / f".file{atomic.TEMPORARY}").write_bytes(b"")
    kept = {"file", f"visible{atomic.TEMPORARY}", ".hidden"}
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    atomic.sweep(str(tmp_path))
    assert set(os.listdir(tmp_path)) == kept


def test_remains_all_over_the_state(tmp_path: Path) -> None:
    """Whichever directory of the state was being written to: the next pass clears it up."""
    state = tmp_path / "state"
    left = [
        state / place / f".file{atomic.TEMPORARY}" for place in ("", "state", "cache", "peers", "announce/a")
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(b"")
    DiskStore(str(state)).prepare()
    assert not [path for path in left if path.exists()]


def test_make_directory(tmp_path: Path) -> None:
    """Missing parents are made too, each with the mode that was asked for, whatever the umask."""
    os.umask(0o000)
    atomic.make_directory(f"{tmp_path}/a/b/c")
    assert [mode(tmp_path / path) for path in ("a", "a/b", "a/b/c")] == [0o700] * 3
    atomic.make_directory(f"{tmp_path}/a/b/c", 0o755)
    assert mode(tmp_path / "a/b/c") == 0o700


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    """Links within a tree go, and what they point at stays."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"precious")
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "inner" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    atomic.remove_tree(f"{tmp_path}/tree")
    atomic.remove_tree(f"{tmp_path}/link")
    assert sorted(os.listdir(tmp_path)) == ["link", "outside"]
    assert (tmp_path / "outside" / "file").read_bytes() == b"precious"


def test_line_after_a_torn_one(tmp_path: Path) -> None:
    """Half a line that a full disk left does not swallow the line after it."""
    path = tmp_path / "journal"
    atomic.append_line(str(path), b"first\n")
    with path.open("ab") as file:
        file.write(b'{"half')
    atomic.append_line(str(path), b"second")
    assert path.read_bytes().splitlines() == [b"first", b'{"half', b"second"]
    assert mode(path) == 0o600


def test_every_durable_call_is_announced(tmp_path: Path) -> None:
    """The calls that create, fill, sync and rename come with a seam of their own, in the order of a crash."""
    with crash.watching(lambda *_: None) as seen:
        atomic.commit(atomic.Batch().file(f"{tmp_path}/file", b"x", 0o600).link(f"{tmp_path}/link", "file"))
    assert [operation.name for operation in seen] == [
        *("create", "write", "fchmod", "symlink"),
        *("fsync", "rename", "rename", "fsync"),
    ]
