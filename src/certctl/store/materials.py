"""What generations are served as: read from the disk and verified once, then remembered for the pass.

It is told by its fingerprints, which the state has: so what was verified stays right,
whatever happens to the files. These are compared with it. What an earlier pass verified
is told by a digest that is kept with the stamps: bytes that still have it need not be
taken apart, and their signatures be checked, another time.
"""

from __future__ import annotations

from collections.abc import Sequence

from certctl.planning.state import Generation
from certctl.store import generations
from certctl.store.layout import Layout
from certctl.store.stamps import Stamps
from certctl.x509.bundle import Material

MOST = 2000
"""Generations that are remembered, a few kilobytes each; more are read again."""


class Materials:
    """The PEM texts of issued generations."""

    def __init__(self, layout: Layout, stamps: Stamps) -> None:
        self._layout = layout
        self._stamps = stamps
        self._known: dict[object, tuple[Material, ...]] = {}

    def read(self, name: str, generation: Generation) -> tuple[Material, ...]:
        """Raises StateError where they are on disk no more."""
        key = _key(name, generation)
        found = self._known.get(key)
        if found is None:
            found = self._verified_before(name, generation)
            if found is None:
                found = generations.read_materials(self._layout, name, generation)
            self._keep(key, found)
        return found

    def _verified_before(self, name: str, generation: Generation) -> tuple[Material, ...] | None:
        """What is in the usual places, if it is byte for byte what an earlier pass verified."""
        place = self._layout.generation(name, generation.number)
        wanted = self._stamps.content(place, token_of(generation))
        found = generations.read_unverified(self._layout, name, generation) if wanted else None
        return found if found is not None and digest_of(found) == wanted else None

    def remember(self, name: str, generation: Generation, materials: Sequence[Material]) -> None:
        """What was checked, and has just been kept."""
        self._keep(_key(name, generation), tuple(materials))

    def _keep(self, key: object, materials: tuple[Material, ...]) -> None:
        if len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)))
        self._known[key] = materials


def token_of(generation: Generation) -> str:
    """What the content of a generation's files depends on, and what is recorded of it, to the last digit.

    A checksum will do against a state that is damaged or old: who could forge it can write the stamps, too.
    """
    import zlib

    found = 0
    for key in generation.keys:
        found = zlib.crc32(" ".join(key[:4]).encode(), found)
        if key.certificate is not None:
            *words, start, end = key.certificate
            found = zlib.crc32(f" {' '.join(words)} {start} {end}".encode(), found)
        found = zlib.crc32(b"\n", found)
    return f"{generation.number}.{generation.issuance}:{found:08x}"


def digest_of(materials: Sequence[Material]) -> str:
    """One sha256 of all their bytes, in their order."""
    import hashlib

    found = hashlib.sha256()
    for one in materials:
        for part in (one.algorithm.encode(), one.key, one.leaf, *one.chain, b"root", one.root or b""):
            found.update(hashlib.sha256(part).digest())
    return found.hexdigest()


def _key(name: str, generation: Generation) -> object:
    return (name, generation.number, generation.issuance, generation.keys)
