"""While the lock is not held: what a process has in hand, and whether others did anything.

A certificate, an issuer or an announcer is in hand by a byte of one file (OFD locks, fcntl(2)),
one for each name: the kernel frees it when the process dies, and nothing has to be cleared away.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator

from certctl.store import atomic, outputs
from certctl.store.failing import failure
from certctl.store.layout import Layout

Marks = list[tuple[int, int, int]]

_F_OFD_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)


@contextlib.contextmanager
def in_hand(path: str, names: Iterable[str]) -> Iterator[frozenset[str]]:
    """Take each of *names* that no other process has; gives those that were free. Waits for nobody."""
    fd = atomic.open_lock(path)
    try:
        yield frozenset([name for name in names if _claim(fd, path, name)])
    finally:
        os.close(fd)


def _claim(fd: int, path: str, name: str) -> bool:
    # struct flock: l_type, l_whence, l_start, l_len, l_pid (0 for these locks).
    wanted = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, zlib.crc32(name.encode()), 1, 0)
    try:
        fcntl.fcntl(fd, _F_OFD_SETLK, wanted)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise failure(error, path, "lock") from error
    return True


def marks(layout: Layout) -> Marks:
    """Numbers that differ as soon as another pass has done anything: each of its steps is in the journal."""
    found = []
    for path in (layout.states, f"{layout.root}/live", layout.hooks, layout.dhparams, layout.journal):
        info = outputs.lstat(path)
        found.append((info.st_ino, info.st_size, info.st_mtime_ns) if info else (0, 0, 0))
    return found
