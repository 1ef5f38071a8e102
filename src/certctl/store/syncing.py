"""Waiting for the disk: once for everything that was written together, where the file system allows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from certctl.system.directories import open_directory

# f_type of statfs(2), by linux/magic.h and each file system's own source. Only these are known to
# write everything out on syncfs(2), and to say so when they could not: the kernel asks no FUSE
# server, and network file systems have rules of their own. An overlay asks the one below it, which
# cannot be FUSE.
_OBEYS = {
    0xEF53: "ext2, ext3, ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0x01021994: "tmpfs",
    0x794C7630: "overlayfs",
    0x2FC12FC1: "zfs",
    0xF2F52010: "f2fs",
    0xCA451A4E: "bcachefs",
    0x3153464A: "jfs",
    0x3434: "nilfs2",
}


class Unsynced:
    """What was written and is not durable yet.

    Synced is what was written, by its own descriptor, not whatever has its path by
    then. One descriptor for each file system is kept: where there is more than one
    file on it, syncfs(2) takes all of them at once, or, where that is not to be relied
    upon, each file is synced as soon as it is written. *tell* is called before each.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._first: dict[int, tuple[int, str]] = {}
        self._whole: dict[int, bool] = {}

    def file(self, fd: int, path: str) -> None:
        """Add what *fd* is open on, called *path* in errors; it may be closed after that. Raises OSError."""
        device = os.fstat(fd).st_dev
        if device not in self._first:
            self._first[device] = (os.dup(fd), path)
            return
        if device not in self._whole:
            self._whole[device] = obeys_syncfs(fd)
        if not self._whole[device]:
            self._fsync(fd, path)

    def sync(self, directories: Iterable[str] = ()) -> None:
        """Make all of it durable, and the names in *directories*.

        Raises OSError, its *filename* one of the paths.
        """
        try:
            for path in dict.fromkeys(directories):
                fd = _open_to_sync(path)
                try:
                    self.file(fd, path)
                finally:
                    os.close(fd)
            for device, (fd, path) in self._first.items():
                (self._syncfs if self._whole.get(device) else self._fsync)(fd, path)
        finally:
            self.close()

    def close(self) -> None:
        """Forget what is left."""
        for fd, _ in self._first.values():
            os.close(fd)
        self._first, self._whole = {}, {}

    def _fsync(self, fd: int, path: str) -> None:
        self._tell("fsync", path)
        try:
            os.fsync(fd)
        except OSError as error:
            error.filename = path
            raise

    def _syncfs(self, fd: int, path: str) -> None:
        self._tell("syncfs", path)
        libc = _libc()
        if libc is None or libc.syncfs(fd) != 0:
            import ctypes

            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), path)


def _open_to_sync(path: str) -> int:
    outer = open_directory(path)
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=outer)
    finally:
        os.close(outer)


def obeys_syncfs(fd: int) -> bool:
    """Whether syncfs(2) makes durable what is on the file system of *fd*, and reports what it could not."""
    return _libc() is not None and filesystem_type(fd) in _OBEYS


def filesystem_type(fd: int) -> int:
    """f_type of fstatfs(2); 0 where it cannot be had."""
    import ctypes

    libc = _libc()
    answer = ctypes.create_string_buffer(512)
    if libc is None or libc.fstatfs(fd, answer) != 0:
        return 0
    # __fsword_t, which comes first, is long but on s390x.
    size = 4 if os.uname().machine == "s390x" else ctypes.sizeof(ctypes.c_long)
    return int.from_bytes(answer.raw[:size], sys.byteorder) & 0xFFFFFFFF


@cache
def _libc() -> Any:
    """The C library, if its syncfs(2) reports failed writes: since Linux 5.8."""
    system = os.uname()
    release = system.release.split("-")[0].split(".")
    if system.sysname != "Linux" or (int(release[0]), int(release[1])) < (5, 8):
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return libc if hasattr(libc, "syncfs") else None
