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
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from certctl.errors import StoreError
from certctl.store import batch as batches
from certctl.store.batch import Aside, Entry, File, Link, Tree
from certctl.store.failing import failing, failure

Batch = batches.Batch

TEMPORARY = ".certctl-tmp"

Seam = Callable[[str, str], None]


def _no_seam(operation: str, path: str) -> None:
    """Stand where the crash and fault matrices of the tests step in."""


seam: Seam = _no_seam
"""Called before each durable operation with its name and path; only tests replace it."""


def commit(batch: Batch) -> None:
    """Do all of *batch*. Raises `StoreError`, which names the path that failed."""
    (failed,) = commit_all([batch])
    if failed is not None:
        raise failed


def commit_all(together: Sequence[Batch]) -> list[StoreError | None]:
    """Do all of *together*, which are independent of each other, waiting for the disk once for all of them.

    Returns what went wrong with each; one that cannot be done leaves the others alone.
    """
    works = [_Work(batch) for batch in together]
    try:
        for work in works:
            work.attempt(work.stage)
        again = _sync_together([work for work in works if work.failure is None], _Work.staged)
        for work in again:
            work.discard()
    except BaseException:
        for work in works:
            work.discard()
        raise
    staged = [work for work in works if work.failure is None and work not in again]
    for work in staged:
        work.attempt(work.rename)
    for work in _sync_together([work for work in staged if work.failure is None], _Work.places):
        work.attempt(work.sync_places)
    for work in again:
        # What one sync could not write, the next one does not write either: so it is written anew.
        work.failure = commit_all([work.batch])[0]
    return [work.failure for work in works]


class _Work:
    """One batch on its way."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.failure: StoreError | None = None
        self._staged: dict[str, Entry] = {}

    def staged(self) -> Iterable[str]:
        """What is to be durable before anything is renamed."""
        return self._staged

    def places(self) -> Iterable[str]:
        """The directories in which something gets its name."""
        return {
            os.path.dirname(entry.path): None for entry in self.batch.entries if not isinstance(entry, Aside)
        }

    def attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreError as error:
            self.failure = error
            self.discard()

    def stage(self) -> None:
        for entry in self.batch.entries:
            with failing(entry.path):
                self._staged[_stage(entry)] = entry

    def rename(self) -> None:
        for temporary, entry in self._staged.items():
            if not isinstance(entry, Aside):
                with failing(entry.path):
                    seam("rename", entry.path)
                    os.rename(temporary, entry.path)

    def sync_places(self) -> None:
        with failing(self.batch.entries[0].path):
            _sync_all(self.places())

    def blame(self, error: OSError) -> None:
        """Take the failure of a sync, at one of the paths, upon oneself."""
        at = [entry for path, entry in self._staged.items() if str(error.filename).startswith(path)]
        self.failure = failure(error, (at or self.batch.entries)[0].path)
        self.discard()

    def discard(self) -> None:
        for entry in self.batch.entries:
            if not isinstance(entry, Aside):
                _discard(_temporary(entry.path), tree=isinstance(entry, Tree))


def _sync_together(works: Sequence[_Work], paths: Callable[[_Work], Iterable[str]]) -> list[_Work]:
    """Sync *paths* of all *works*. If that fails, one of them is to blame; returns the others."""
    try:
        _sync_all(dict.fromkeys(path for work in works for path in paths(work)))
    except OSError as error:
        named = [work for work in works if any(str(error.filename).startswith(path) for path in paths(work))]
        (named or works)[0].blame(error)
        return [work for work in works if work.failure is None]
    return []


def write(path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Durably replace one file."""
    commit(Batch().file(path, data, mode, uid, gid))


def make_directory(path: str, mode: int = 0o700) -> None:
    """Make *path* and its missing parents; each new one gets *mode* and is made durable."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_directory(parent, mode)
    with failing(path, verb="create the directory"):
        seam("mkdir", path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
            os.chmod(path, mode)
        _sync(parent)


def narrow_directory(path: str, mode: int) -> None:
    """Take away from *path* what *mode* does not allow."""
    with failing(path, verb="change the mode of"):
        have = stat.S_IMODE(os.stat(path).st_mode)
        if have & ~mode:
            seam("chmod", path)
            os.chmod(path, have & mode)


def append_line(path: str, line: bytes, mode: int = 0o600) -> None:
    """Append one line in one write(2). Not synced: for what people read, not for state."""
    with failing(path):
        seam("append", path)
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            end = os.fstat(fd).st_size
            # A full disk or a power cut may have left half a line, which is not to spoil this one.
            torn = end > 0 and os.pread(fd, 1, end - 1) != b"\n"
            _write_all(fd, (b"\n" if torn else b"") + line.rstrip(b"\n") + b"\n", path)
        finally:
            os.close(fd)


def replace_cache(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace *path* atomically but not durably: for what can be made again, and is checked when read."""
    with failing(path):
        temporary = _write_file(File(path, data, mode, -1, -1))
        os.rename(temporary, path)


def move(path: str, target: str) -> None:
    """Durably rename *path* to *target* in the same directory."""
    with failing(path, verb="rename"):
        seam("rename", target)
        os.rename(path, target)
        _sync(os.path.dirname(target))


def remove(path: str) -> None:
    """Remove a file or symlink, if it is there."""
    with failing(path, verb="remove"):
        seam("unlink", path)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, if it is there; symlinks are not followed."""
    with failing(path, verb="remove"):
        seam("rmtree", path)
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_below(path)
            _sync(os.path.dirname(path))


def sweep(directory: str) -> None:
    """Take away what a crash left unfinished in *directory*; nobody else may be writing there."""
    with failing(directory, verb="look into"):
        for name in os.listdir(directory):
            if name.startswith(".") and name.endswith(TEMPORARY):
                _discard(os.path.join(directory, name), tree=True)


def open_lock(path: str) -> int:
    """Open (and make, 0600) the file that flock(2) is taken on."""
    with failing(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _open_to_sync(path: str) -> int:
    """A file must be itself; a directory may be a link that its owner made, to a larger disk say."""
    follow = 0 if os.path.isdir(path) else os.O_NOFOLLOW
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | follow)


def _sync(path: str) -> None:
    seam("fsync", path)
    fd = _open_to_sync(path)
    try:
        os.fsync(fd)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def _stage(entry: Entry) -> str:
    """Prepare one entry; returns what is to be synced: its temporary path, or a directory."""
    if isinstance(entry, File):
        return _write_file(entry)
    if isinstance(entry, Aside):
        return _set_up(entry)
    temporary = _temporary(entry.path)
    _discard(temporary, tree=isinstance(entry, Tree))
    if isinstance(entry, Link):
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
        _create(file._replace(path=path), path)
    return temporary


def _set_up(entry: Aside) -> str:
    if entry.what == "rmtree" and os.path.isdir(entry.path) and not os.path.islink(entry.path):
        seam("rmtree", entry.path)
        _remove_below(entry.path)
    elif entry.what == "mkdir" and not os.path.isdir(entry.path):
        seam("mkdir", entry.path)
        os.mkdir(entry.path, 0o700)
        os.chmod(entry.path, 0o700)
    return os.path.dirname(entry.path)


def _write_file(file: File) -> str:
    temporary = _temporary(file.path)
    _discard(temporary)
    return _create(file, temporary)


def _create(file: File, temporary: str) -> str:
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
    """Make *paths* (files, symlinks, whole trees) durable, by one syncfs(2) where there are several.

    Raises OSError, its *filename* one of the paths, or below one.
    """
    by_device: dict[int, dict[str, bool]] = {}
    for path in paths:
        info = os.lstat(path)
        if not stat.S_ISLNK(info.st_mode):  # that is durable with its directory
            tree = stat.S_ISDIR(info.st_mode) and path.endswith(TEMPORARY)
            by_device.setdefault(info.st_dev, {})[path] = tree
    for members in by_device.values():
        first, tree = next(iter(members.items()))
        if (len(members) > 1 or tree) and _sync_filesystem(first):
            continue
        for member, tree in members.items():
            _sync(member)
            for top, dirs, files in os.walk(member) if tree else ():
                for name in dirs + files:
                    _sync(os.path.join(top, name))


def _sync_filesystem(path: str) -> bool:
    """syncfs(2); False where it is missing or would not report a failed write (before Linux 5.8)."""
    libc = _libc()
    if libc is None:
        return False
    seam("syncfs", path)
    fd = _open_to_sync(path)
    try:
        if libc.syncfs(fd) != 0:
            import ctypes

            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)
    finally:
        os.close(fd)
    return True


@cache
def _libc() -> Any:
    """The C library, if its syncfs(2) can be relied upon."""
    system = os.uname()
    release = system.release.split("-")[0].split(".")
    if system.sysname != "Linux" or (int(release[0]), int(release[1])) < (5, 8):
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "syncfs") else None


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{TEMPORARY}")


def _discard(path: str, *, tree: bool = False) -> None:
    """Take away a temporary file, symlink or *tree*; what cannot go now goes with the next write.

    Trees are made in the state directory only. Elsewhere a directory of that name is
    a stranger's, who could exchange parts of it for links while it is removed.
    """
    with contextlib.suppress(OSError):
        if tree and os.path.isdir(path) and not os.path.islink(path):
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
