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
        "bring it back from a backup; if there is none, make another, which peers have to be told of: "
        f"certctl announce --new-key {os.path.basename(home)}",
    )
