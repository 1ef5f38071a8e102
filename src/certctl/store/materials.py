"""What generations are served as: read from the disk and verified once, then remembered for the pass.

It is told by its fingerprints, which the state has: so what was verified stays right,
whatever happens to the files. These are compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.core.bundle import Material
from certctl.core.model import Generation
from certctl.store import generations
from certctl.store.layout import Layout

MOST = 2000
"""Generations that are remembered, a few kilobytes each; more are read again."""


class Materials:
    """The PEM texts of issued generations."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._known: dict[object, tuple[Material, ...]] = {}

    def read(self, name: str, generation: Generation) -> tuple[Material, ...]:
        """Raises StateError where they are on disk no more."""
        key = _key(name, generation)
        found = self._known.get(key)
        if found is None:
            found = generations.read_materials(self._layout, name, generation)
            self._keep(key, found)
        return found

    def remember(self, name: str, generation: Generation, materials: Sequence[Material]) -> None:
        """What was checked, and has just been kept."""
        self._keep(_key(name, generation), tuple(materials))

    def _keep(self, key: object, materials: tuple[Material, ...]) -> None:
        if len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)))
        self._known[key] = materials


def _key(name: str, generation: Generation) -> object:
    return (name, generation.number, generation.issuance, generation.keys)
