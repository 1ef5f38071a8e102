"""Where a world stands: its slots and its certificates."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from tests.support import invariants
from tests.support.world import World


class Reached(NamedTuple):
    """Where a world stands; equal for two runs of the same commands."""

    slots: dict[str, tuple[int | None, int | None, int | None]]
    issued: frozenset[str]
    """The certificates that are kept, by path."""

    @classmethod
    def look(cls, world: World, rows: invariants.Rows | None = None) -> Reached:
        """*rows*: what status says, if somebody has asked already."""
        rows = world.status() if rows is None else rows
        slots = {name: invariants.numbers(row) for name, row in rows.items()}
        return cls(slots, frozenset(issued(world)))


def issued(world: World) -> dict[str, str]:
    """Every certificate that is kept: path -> digest."""
    found = Path(world.layout.root).glob("certificates/*/[0-9]*/issued-*/cert.pem")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
