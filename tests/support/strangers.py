"""Another user, and directories that are his: for tests that root runs."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

NOBODY = 65534


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list as linux/posix_acl_xattr.h has it: tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


OPEN_TO_NOBODY = _acl(
    *((0x01, 6, 0xFFFFFFFF), (0x02, 4, NOBODY), (0x04, 4, 0xFFFFFFFF)),
    *((0x10, 4, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)),
)


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to somebody else")


def directory(place: Path) -> Path:
    """Make *place* (below pytest's directory) a directory of nobody's, which nobody can reach."""
    need_root()
    place.mkdir()
    for above in place.parents:
        if above.owner() == "root" and len(above.parts) > 2:
            above.chmod(0o755)
    os.chown(place, NOBODY, NOBODY)
    return place
