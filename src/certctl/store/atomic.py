"""The one place that writes files: durable, atomic, never readable too widely on the way.

A `Batch` is staged (temporary files beside their targets, written with a mode that
is never wider than the final one), made durable, renamed into place in the order
given, and its directories are made durable. Readers see the old file or the new
one. A crash leaves at most temporary files, whose names are fixed, so the next
write of the same path takes them away.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from certctl.errors import StoreError

TEMPORARY = ".certctl-tmp"

Seam = Callable[[str, str], None]


def _no_seam(operation: str, path: str) -> None:
    """Stand where the crash and fault matrices of the tests step in."""


seam: Seam = _no_seam
"""Called before each durable operation with its name and path; only tests replace it."""


class _File(NamedTuple):
    path: str
    data: bytes
    mode: int
    uid: int
    gid: int


class _Link(NamedTuple):
    path: str
    target: str


class _Tree(NamedTuple):
    path: str
    files: tuple[_File, ...]


class Batch:
    """Files, symlinks and directory trees that are made durable together.

    Nothing happens before `commit`. All paths of a batch are renamed in the order
    in which they were added; a failure while staging changes nothing at all.
    """

    def __init__(self) -> None:
        self._entries: list[_File | _Link | _Tree] = []

    def file(self, path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> Batch:
        """Replace *path* by *data*; -1 leaves the owner or group to the system."""
        self._entries.append(_File(path, data, mode, uid, gid))
        return self

    def link(self, path: str, target: str) -> Batch:
        """Make *path* a symlink to *target*, replacing a symlink or file that is there."""
        self._entries.append(_Link(path, target))
        return self

    def tree(self, path: str, files: Iterable[tuple[str, bytes, int]]) -> Batch:
        """Make the new directory *path* (0700) with *files*: relative path, content, mode."""
        self._entries.append(_Tree(path, tuple(_File(f"/{n}", d, m, -1, -1) for n, d, m in files)))
        return self

    def commit(self) -> None:
        """Do all of it. Raises `StoreError`, which names the path that failed."""
        staged: list[str] = []
        try:
            for entry in self._entries:
                with _failing(entry.path):
                    staged.append(_stage(entry))
            with _failing(self._entries[0].path):
                _sync_all(staged)
        except BaseException:
            for path in staged:
                _discard(path)
            for entry in self._entries:
                _discard(_temporary(entry.path))
            raise
        for at, (entry, temporary) in enumerate(zip(self._entries, staged, strict=True)):
            with _failing(entry.path):
                try:
                    seam("rename", entry.path)
                    os.rename(temporary, entry.path)
                except OSError:
                    for path in staged[at:]:
                        _discard(path)
                    raise
        with _failing(self._entries[0].path):
            _sync_all(dict.fromkeys(os.path.dirname(entry.path) for entry in self._entries))


def write(path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Durably replace one file."""
    Batch().file(path, data, mode, uid, gid).commit()


def make_directory(path: str, mode: int = 0o700) -> None:
    """Make *path* and its missing parents; each new one gets *mode* and is made durable."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_directory(parent, mode)
    with _failing(path, verb="create the directory"):
        seam("mkdir", path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
            os.chmod(path, mode)
        _sync(parent)


def append_line(path: str, line: bytes, mode: int = 0o600) -> None:
    """Append one line in one write(2). Not synced: for what people read, not for state."""
    with _failing(path):
        seam("append", path)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            end = os.fstat(fd).st_size
            # A full disk or a power cut may have left half a line, which is not to spoil this one.
            torn = end > 0 and os.pread(fd, 1, end - 1) != b"\n"
            _write_all(fd, (b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n", path)
        finally:
            os.close(fd)


def replace_cache(path: str, data: bytes) -> None:
    """Replace *path* atomically but not durably: for what can be made again, and is checked when read."""
    with _failing(path):
        temporary = _write_file(_File(path, data, 0o600, -1, -1))
        os.rename(temporary, path)


def move(path: str, target: str) -> None:
    """Durably rename *path* to *target* in the same directory."""
    with _failing(path, verb="rename"):
        seam("rename", target)
        os.rename(path, target)
        _sync(os.path.dirname(target))


def remove(path: str) -> None:
    """Remove a file or symlink, if it is there."""
    with _failing(path, verb="remove"):
        seam("unlink", path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def remove_tree(path: str, *, durable: bool = True) -> None:
    """Remove a directory with all that is in it, if it is there; symlinks are not followed."""
    with _failing(path, verb="remove"):
        seam("rmtree", path)
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_below(path)
            if durable:
                _sync(os.path.dirname(path))


def sweep(directory: str) -> None:
    """Take away what a crash left unfinished in *directory*; nobody else may be writing there."""
    with _failing(directory, verb="look into"):
        for name in os.listdir(directory):
            if name.startswith(".") and name.endswith(TEMPORARY):
                _discard(os.path.join(directory, name))


def open_lock(path: str) -> int:
    """Open (and make, 0600) the file that flock(2) is taken on."""
    with _failing(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def sync(path: str) -> None:
    """fsync(2) a file or directory by name."""
    with _failing(path, verb="sync"):
        _sync(path)


def _sync(path: str) -> None:
    seam("fsync", path)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stage(entry: _File | _Link | _Tree) -> str:
    if isinstance(entry, _File):
        return _write_file(entry)
    temporary = _temporary(entry.path)
    _discard(temporary)
    if isinstance(entry, _Link):
        seam("symlink", entry.path)
        os.symlink(entry.target, temporary)
        return temporary
    seam("mkdir", entry.path)
    os.mkdir(temporary, 0o700)
    for file in entry.files:
        path = temporary + file.path
        if not os.path.isdir(os.path.dirname(path)):
            seam("mkdir", path)
            os.mkdir(os.path.dirname(path), 0o700)
        _write_file(file._replace(path=path), path)
    return temporary


def _write_file(file: _File, temporary: str | None = None) -> str:
    temporary = temporary or _temporary(file.path)
    _discard(temporary)
    seam("create", file.path)
    # Nobody but the owner may open it before it has its final owner and mode.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(temporary, flags, file.mode & 0o600)
    try:
        _write_all(fd, file.data, file.path)
        if file.uid != -1 or file.gid != -1:
            seam("chown", file.path)
            os.fchown(fd, file.uid, file.gid)
        os.fchmod(fd, file.mode)
    except BaseException:
        _discard(temporary)
        raise
    finally:
        os.close(fd)
    return temporary


def _write_all(fd: int, data: bytes, path: str) -> None:
    view = memoryview(data)
    while view:
        seam("write", path)
        view = view[os.write(fd, view) :]


def _sync_all(paths: Iterable[str]) -> None:
    """Make *paths* (files, symlinks, whole trees) durable, by one syncfs(2) where there are several."""
    by_device: dict[int, list[str]] = {}
    for path in paths:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            continue  # durable with its directory
        members = [path]
        if stat.S_ISDIR(info.st_mode) and path.endswith(TEMPORARY):
            walk = os.walk(path)
            members += [os.path.join(top, name) for top, dirs, files in walk for name in dirs + files]
        by_device.setdefault(info.st_dev, []).extend(members)
    for members in by_device.values():
        if len(members) > 1 and _sync_filesystem(members[0]):
            continue
        for member in members:
            _sync(member)


def _sync_filesystem(path: str) -> bool:
    """syncfs(2); False where it is missing or would not report a failed write (before Linux 5.8)."""
    release = os.uname().release.split("-")[0].split(".")
    if os.uname().sysname != "Linux" or (int(release[0]), int(release[1])) < (5, 8):
        return False
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    seam("syncfs", path)
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if libc.syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(fd)
    return True


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{TEMPORARY}")


def _discard(path: str) -> None:
    """Take away a temporary file, symlink or tree; what cannot go now goes with the next write."""
    with contextlib.suppress(OSError):
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_below(path)
        else:
            os.unlink(path)


def _remove_below(path: str) -> None:
    for top, dirs, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(top, name))
        for name in dirs:
            inner = os.path.join(top, name)
            if os.path.islink(inner):
                os.unlink(inner)
            else:
                os.rmdir(inner)
    os.rmdir(path)


@contextlib.contextmanager
def _failing(path: str, verb: str = "write") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise StoreError(f"cannot {verb} {path}: {what}", _hint(error, path)) from error


def _hint(error: OSError, path: str) -> str | None:
    import errno

    directory = os.path.dirname(path)
    if error.errno == errno.ENOENT:
        return f"make its directory: install -d -m 0755 {directory}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free some room: df -h {directory}; df -i {directory}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"run certctl as a user who may write in {directory} (mostly root), or mend its mode"
    if error.errno == errno.EROFS:
        return f"{directory} is mounted read-only: remount it, or see ReadWritePaths= of the systemd unit"
    if error.errno == errno.EIO:
        return "the disk reports errors: look at dmesg before anything else"
    return None
