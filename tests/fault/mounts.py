"""Small and read-only file systems, for root only."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.real.servers import require


def _run(*command: str) -> None:
    require.root(command[0])
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        require.missing(
            f"{' '.join(command)}: {ended.stderr.strip()}", "it needs more than a container's root"
        )


@contextlib.contextmanager
def tiny(place: Path, options: str) -> Iterator[None]:
    """A tmpfs with *options* (size=64k, nr_inodes=20) on *place*, which is made."""
    place.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "none", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def resize(place: Path, options: str) -> None:
    """Give a tiny tmpfs more (or less) room."""
    _run("mount", "-o", f"remount,{options}", str(place))


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """*place* can be read, and not written, until the end."""
    _run("mount", "--bind", str(place), str(place))
    try:
        _run("mount", "-o", "remount,bind,ro", str(place))
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Nobody may change or replace *path*, chattr(1) +i, until the end."""
    _run("chattr", "+i", str(path))
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)
