"""What the system refuses, in words, and what to type."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from certctl.errors import StoreError


@contextlib.contextmanager
def failing(path: str, verb: str = "write") -> Iterator[None]:
    """Turn an OSError into a StoreError that names *path*."""
    try:
        yield
    except OSError as error:
        raise failure(error, path, verb) from error


def failure(error: OSError, path: str, verb: str = "write") -> StoreError:
    """The StoreError of *error* at *path*."""
    what = (error.strerror or str(error)).lower()
    return StoreError(f"cannot {verb} {path}: {what}", _hint(error, path))


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
