"""Another user, and directories that are his: for tests that root runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import memory

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


@contextlib.contextmanager
def ground() -> Iterator[Path]:
    """A directory of root's that others can reach; pytest's own are closed to them whenever a run begins."""
    need_root()
    made = Path(tempfile.mkdtemp(prefix="certctl-test-", dir=memory.PLACE))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


def directory(place: Path) -> Path:
    """Make *place* a directory of nobody's."""
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    return place
