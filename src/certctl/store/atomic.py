"""The one place that writes files: durable, atomic, never readable too widely on the way.

A `Batch` is staged (temporary files beside their targets, written with a mode that
is never wider than the final one), made durable, renamed into place in the order
given, and its directories are made durable. Readers see the old file or the new
one. A crash leaves at most temporary files, whose names are fixed, so the next
write of the same path takes them away.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from certctl.errors import StoreError
from certctl.store import batch as batches
from certctl.store import held
from certctl.store.batch import Aside, Entry, File, Link, Tree
from certctl.store.failing import check_held, failing, failure
from certctl.store.syncing import Unsynced
from certctl.system.directories import place_of

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
    unsynced = Unsynced(seam)
    works = [_Work(batch) for batch in together]
    try:
        for work in works:
            work.attempt(partial(work.stage, unsynced))
        again = _sync_together(
            unsynced, [work for work in works if work.failure is None], _Work.directories, _Work.staged
        )
        for work in again:
            work.discard()
    except BaseException:
        for work in works:
            work.discard()
        raise
    finally:
        unsynced.close()
    staged = [work for work in works if work.failure is None and work not in again]
    for work in staged:
        work.attempt(work.rename)
    named = [work for work in staged if work.failure is None]
    for work in _sync_together(unsynced, named, _Work.places, _Work.places):
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

    def directories(self) -> Iterator[str]:
        """The directories among it."""
        for place, entry in self._staged.items():
            if isinstance(entry, Aside | Tree):
                yield place
            if isinstance(entry, Tree):
                yield from (os.path.dirname(place + file.path) for file in entry.files)

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

    def stage(self, unsynced: Unsynced) -> None:
        for entry in self.batch.entries:
            held.check(entry.path)
            with failing(entry.path):
                self._staged[_stage(entry, unsynced)] = entry

    def rename(self) -> None:
        for temporary, entry in self._staged.items():
            if not isinstance(entry, Aside):
                with failing(entry.path):
                    _rename(temporary, entry.path)

    def sync_places(self) -> None:
        with failing(self.batch.entries[0].path):
            Unsynced(seam).sync(self.places())

    def blame(self, error: OSError) -> None:
        """Take the failure of a sync, at one of the paths, upon oneself."""
        at = [entry for path, entry in self._staged.items() if str(error.filename).startswith(path)]
        self.failure = failure(error, (at or self.batch.entries)[0].path)
        self.discard()

    def discard(self) -> None:
        for entry in self.batch.entries:
            if not isinstance(entry, Aside):
                _discard(_temporary(entry.path), tree=isinstance(entry, Tree))


_Paths = Callable[[_Work], Iterable[str]]


def _sync_together(
    unsynced: Unsynced, works: Sequence[_Work], directories: _Paths, paths: _Paths
) -> list[_Work]:
    """Sync *unsynced* and the *directories* of all *works*, which wrote *paths*.

    If that fails, one of them is to blame; returns the others.
    """
    try:
        if works:
            unsynced.sync(directory for work in works for directory in directories(work))
    except OSError as error:
        named = [work for work in works if any(str(error.filename).startswith(path) for path in paths(work))]
        (named or works)[0].blame(error)
        return [work for work in works if work.failure is None]
    return []


def write(path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Durably replace one file."""
    commit(Batch().file(path, data, mode, uid, gid))


def make_directory(path: str, mode: int = 0o700, base: str | None = None) -> None:
    """Make *path* and its missing parents; each new one gets *mode* and is made durable.

    Below *base*, here and elsewhere, no symlink is followed.
    """
    if os.path.isdir(path):
        return
    held.check(path)
    parent = os.path.dirname(path)
    make_directory(parent, mode, base)
    with failing(path, verb="create the directory"):
        with place_of(path, base) as (at, name):
            seam("mkdir", path)
            _make_directory(at, name, mode)
        Unsynced(seam).sync([parent])


def narrow_directory(path: str, mode: int) -> None:
    """Take away from *path* what *mode* does not allow."""
    with failing(path, verb="change the mode of"), place_of(os.path.join(path, ".")) as (at, name):
        have = stat.S_IMODE(os.fstat(at).st_mode)
        if have & ~mode:
            seam("chmod", path)
            os.chmod(name, have & mode, dir_fd=at)


def append_line(path: str, line: bytes, mode: int = 0o600) -> None:
    """Append one line in one write(2). Not synced: for what people read, not for state."""
    held.check(path)
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


def replace_cache(path: str, data: bytes, mode: int = 0o600, base: str | None = None) -> None:
    """Replace *path* atomically but not durably: for what can be made again, and is checked when read."""
    held.check(path)
    with failing(path):
        temporary = _write_file(File(path, data, mode, -1, -1), None, base)
        _rename(temporary, path, base)


def move(path: str, target: str) -> None:
    """Durably rename *path* to *target*, which may be in another directory."""
    with failing(path, verb="rename"):
        with place_of(path) as (source, old), place_of(target) as (at, new):
            seam("rename", target)
            os.rename(old, new, src_dir_fd=source, dst_dir_fd=at)
        Unsynced(seam).sync(dict.fromkeys(map(os.path.dirname, (target, path))))


def remove(path: str, base: str | None = None) -> None:
    """Remove a file or symlink, if it is there."""
    with failing(path, verb="remove"):
        seam("unlink", path)
        with contextlib.suppress(FileNotFoundError), place_of(path, base) as (at, name):
            os.unlink(name, dir_fd=at)


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, if it is there; symlinks are not followed."""
    with failing(path, verb="remove"):
        seam("rmtree", path)
        if os.path.isdir(path) and not os.path.islink(path):
            _remove_below(path)
            Unsynced(seam).sync([os.path.dirname(path)])


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


def _rename(path: str, target: str, base: str | None = None) -> None:
    """Rename within one directory."""
    with place_of(target, base) as (at, name):
        seam("rename", target)
        os.rename(os.path.basename(path), name, src_dir_fd=at, dst_dir_fd=at)


def _make_directory(at: int, name: str, mode: int) -> None:
    try:
        os.mkdir(name, mode, dir_fd=at)
    except FileExistsError:
        return
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    try:
        # Whoever owns the directory around it may have put another one here since: only ours is empty.
        if os.fstat(fd).st_uid == os.geteuid() and not os.listdir(fd):
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _stage(entry: Entry, unsynced: Unsynced) -> str:
    """Prepare one entry; returns where: its temporary path, or a directory."""
    if isinstance(entry, File):
        return _write_file(entry, unsynced)
    if isinstance(entry, Aside):
        return _set_up(entry)
    temporary = _temporary(entry.path)
    _discard(temporary, tree=isinstance(entry, Tree))
    with place_of(temporary) as (at, name):
        if isinstance(entry, Link):
            seam("symlink", entry.path)
            os.symlink(entry.target, name, dir_fd=at)
            return temporary
        seam("mkdir", entry.path)
        os.mkdir(name, 0o700, dir_fd=at)
    for file in entry.files:
        path = temporary + file.path
        if not os.path.isdir(os.path.dirname(path)):
            seam("mkdir", path)
            os.mkdir(os.path.dirname(path), 0o700)
        _create(file._replace(path=path), path, unsynced)
    return temporary


def _set_up(entry: Aside) -> str:
    if entry.what == "rmtree" and os.path.isdir(entry.path) and not os.path.islink(entry.path):
        seam("rmtree", entry.path)
        _remove_below(entry.path)
    elif entry.what == "mkdir" and not os.path.isdir(entry.path):
        with place_of(entry.path) as (at, name):
            seam("mkdir", entry.path)
            _make_directory(at, name, 0o700)
    return os.path.dirname(entry.path)


def _write_file(file: File, unsynced: Unsynced | None, base: str | None = None) -> str:
    temporary = _temporary(file.path)
    _discard(temporary, base=base)
    return _create(file, temporary, unsynced, base)


def _create(file: File, temporary: str, unsynced: Unsynced | None, base: str | None = None) -> str:
    """Write *file* under its temporary name; it is added to what is to be synced."""
    # Nobody but the owner may open it before it has its final owner and mode.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with place_of(temporary, base) as (at, name):
        seam("create", file.path)
        fd = os.open(name, flags, file.mode & 0o600, dir_fd=at)
        try:
            _fill(fd, file)
            if unsynced is not None:
                unsynced.file(fd, temporary)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=at)
            raise
        finally:
            os.close(fd)
    return temporary


def _fill(fd: int, file: File) -> None:
    """Give a new file its content, owner and mode, and nothing beside these if it is not for everybody."""
    uid, gid = file.uid, file.gid
    closed = not file.mode & 0o007
    if closed:
        # From a directory with default entries; they give nobody a right before the mode does.
        _drop_acl(fd)
        # From a directory with the setgid bit.
        gid = os.getegid() if gid == -1 and os.fstat(fd).st_gid != os.getegid() else gid
    _write_all(fd, file.data, file.path)
    if uid != -1 or gid != -1:
        seam("chown", file.path)
        os.fchown(fd, uid, gid)
    os.fchmod(fd, file.mode)
    if closed:
        check_held(os.fstat(fd), file._replace(gid=gid))


def _drop_acl(fd: int) -> None:
    try:
        os.removexattr(fd, "system.posix_acl_access")
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise


def _write_all(fd: int, data: bytes, path: str) -> None:
    view = memoryview(data)
    while view:
        seam("write", path)
        view = view[os.write(fd, view) :]


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{TEMPORARY}")


def _discard(path: str, *, tree: bool = False, base: str | None = None) -> None:
    """Take away a temporary file, symlink or *tree*; what cannot go now goes with the next write.

    Trees are made in the state directory only. Elsewhere a directory of that name is
    a stranger's, who could exchange parts of it for links while it is removed.
    """
    with contextlib.suppress(OSError):
        if tree and os.path.isdir(path) and not os.path.islink(path):
            _remove_below(path)
        else:
            with place_of(path, base) as (at, name):
                os.unlink(name, dir_fd=at)


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
