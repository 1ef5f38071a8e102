"""init: a starter configuration, after looking at what runs here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from certctl.store import atomic


class Started(NamedTuple):
    """What init wrote and found."""

    path: str
    directories: tuple[str, ...]
    found: tuple[str, ...]
    """The servers that were seen on this host."""


def init(names: Sequence[str], directory: str | None) -> Started:
    """Write DIRECTORY/certctl.toml and make the directories it names. Raises UsageError if it is there."""
    from certctl.config import starter
    from certctl.servers.detect import detect

    path = starter.target(directory)
    found = detect()
    text = starter.starter(names, found, os.path.dirname(path))
    home = os.path.dirname(path)
    directories = starter.directories(found, home)
    for place, mode in [(home, 0o755), *directories]:
        atomic.make_directory(place, mode)
    atomic.write(path, text.encode(), 0o644)
    return Started(path, tuple(place for place, _ in directories), tuple(server.title for server in found))
