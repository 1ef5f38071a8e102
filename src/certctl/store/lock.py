"""One writer at a time: flock(2), which the kernel frees when the holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from certctl.errors import LockedError, StoreError
from certctl.store import atomic, held
from certctl.store.failing import failing

_POLL = 0.05


@contextlib.contextmanager
def lock(path: str, wait: float, what: str = "another certctl") -> Iterator[None]:
    """Hold the lock on *path*; wait at most *wait* seconds for it, then raise `LockedError` (exit 75).

    The directory that it is in is locked as well: the file can be removed meanwhile.
    """
    deadline = time.monotonic() + wait
    directory = os.path.dirname(path)
    fd = atomic.open_lock(path)
    try:
        _take(fd, path, deadline, what)
        with failing(directory, verb="lock"):
            whole = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _take(whole, path, deadline, what)
            held.hold(directory, os.fstat(whole))
            try:
                yield
            finally:
                held.release(directory)
        finally:
            os.close(whole)
    finally:
        os.close(fd)


def _take(fd: int, path: str, deadline: float, what: str) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise LockedError(
                    f"{what} holds the lock {path}",
                    f"wait for it (--wait SECONDS), or see who it is: fuser -v {path}",
                    path=path,
                ) from None
            # flock(2) has no time limit of its own, and a signal to interrupt it
            # would be felt by hooks and threads as well.
            time.sleep(min(_POLL, left))
        except OSError as error:
            raise StoreError(f"cannot lock {path}: {error.strerror}") from error
