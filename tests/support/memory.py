"""Where tests write: in memory where there is some, since a disk takes its time over all that is synced."""

from __future__ import annotations

import os

_MEMORY, DISK = "/dev/shm", "/tmp"
_ROOM = 1 << 30


def _usable() -> bool:
    """Whether programs can be written there and run; in containers it often is small, and noexec."""
    try:
        about = os.statvfs(_MEMORY)
    except OSError:
        return False
    room = about.f_bavail * about.f_frsize
    return os.access(_MEMORY, os.W_OK) and not about.f_flag & os.ST_NOEXEC and room >= _ROOM


PLACE = _MEMORY if _usable() else DISK
