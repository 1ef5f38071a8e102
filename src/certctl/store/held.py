"""Directories that are locked: whoever writes below one writes into that very directory, or not at all.

It may be moved away or removed in mid-pass. To make another one in its place, with
some of the files, would be worse than to stop.
"""

from __future__ import annotations

import os

from certctl.errors import StoreError
from certctl.system import files

_held: dict[str, tuple[int, int]] = {}
"""By path: device and inode."""


def hold(directory: str, info: os.stat_result) -> None:
    """*directory* is locked as what *info* says."""
    _held[directory] = info.st_dev, info.st_ino


def release(directory: str) -> None:
    """*directory* is locked no more."""
    _held.pop(directory, None)


def check(path: str) -> None:
    """Raise StoreError where *path* is below a locked directory that is there no more."""
    for directory, identity in list(_held.items()):
        if path.startswith(f"{directory}/") or path == directory:
            info = files.info(directory, follow=True)
            if info is None or (info.st_dev, info.st_ino) != identity:
                raise StoreError(
                    f"cannot write {path}: {directory} was moved or removed in the middle of a pass",
                    "put it back where it was, and run certctl again",
                )
