"""What a feed keeps in its directory, and whether the key that peers trust is still among it."""

from __future__ import annotations

import os

from certctl.announce import memory
from certctl.errors import StateError
from certctl.store import outputs

KEY_FILE, ISSUED = "feed.key", "feed.json"


def is_lost(home: str) -> bool:
    """Whether feeds were signed with a key that is not there any more."""
    there = outputs.lstat(os.path.join(home, KEY_FILE)) is not None
    return not there and bool(memory.load(os.path.join(home, ISSUED)))


def lost(home: str) -> StateError:
    """Peers trust that key: another one in its place would be a stranger's to them."""
    return StateError(
        f"{os.path.join(home, KEY_FILE)} is missing, and peers trust what it signed",
        f"bring it back from a backup; if there is none, {_make_another(home)}",
    )


def foreign(home: str, path: str) -> StateError:
    """The same where the key is another one than peers know by what lies at *path*."""
    return StateError(
        f"{path} is a feed that another key signed than {os.path.join(home, KEY_FILE)}; peers may trust it",
        f"bring that key back from a backup; if the feed is nobody's: rm {path}; else {_make_another(home)}",
    )


def _make_another(home: str) -> str:
    return (
        "make another, which every peer that has the old one in its configuration must be given: "
        f"certctl announce --new-key {os.path.basename(home)}"
    )
