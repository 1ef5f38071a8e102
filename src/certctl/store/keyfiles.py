"""Private keys on disk: whether each lies where it is recorded, and putting back those that do not.

A key file is never overwritten while it holds another key: that one is put aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.errors import CertctlError
from certctl.planning.state import SLOTS, CertificateState, Generation, KeyRecord
from certctl.store import atomic, outputs
from certctl.store.layout import Layout
from certctl.store.stamps import Stamps
from certctl.system import files
from certctl.x509 import pem


def in_place(layout: Layout, stamps: Stamps, name: str, generation: Generation) -> bool:
    """Whether every key file of *generation* holds the key that is recorded; stamps spare reading them."""
    paths = [layout.key(name, generation.number, key.algorithm) for key in generation.keys]
    token = ",".join(key.sha256[:23] for key in generation.keys)
    place = f"{layout.generation(name, generation.number)}/keys"
    if stamps.vouches(place, paths, token):
        return True
    found = [sha256(outputs.read(path)) for path in paths]
    if found != [key.sha256 for key in generation.keys]:
        return False
    stamps.record_all(place, paths, token)
    return True


def sha256(data: bytes | None) -> str | None:
    """The fingerprint of the first private key in *data*; None where there is none."""
    return next((found for found, _ in _keys(data)), None)


def find(layout: Layout, name: str, record: KeyRecord) -> bytes | None:
    """The key that *record* describes, from any file of the lineage."""
    for path in files.below(layout.lineage(name)):
        for found, text in _keys(outputs.read(path)):
            if found == record.sha256:
                return text
    return None


def mixed_up(layout: Layout, state: CertificateState) -> bool:
    """Whether key files hold other keys than *state* says, and yet fit the certificates beside them.

    Then it is the state that is wrong.
    """
    there = {
        f"{number}/{entry}": sha256(outputs.read(f"{layout.generation(state.name, number)}/{entry}"))
        for number in numbers(layout, state.name)
        for entry in files.entries(layout.generation(state.name, number))
        if entry.endswith(".key")
    }
    recorded = {
        f"{generation.number}/{key.algorithm}.key": key.sha256
        for slot in SLOTS
        if (generation := state.slot(slot))
        for key in generation.keys
    }
    others = any(there.get(place) not in (None, key) for place, key in recorded.items())
    moved = any(there.get(place) != key and key in there.values() for place, key in recorded.items())
    return (others or moved) and _fits_itself(layout, state.name)


def put_back(layout: Layout, state: CertificateState) -> list[str]:
    """Write every key of *state* that lies elsewhere where it belongs; the files that were wrong."""
    wanted: list[tuple[str, bytes]] = []
    for slot in SLOTS:
        generation = state.slot(slot)
        for key in generation.keys if generation else ():
            path = layout.key(state.name, generation.number if generation else 0, key.algorithm)
            data = find(layout, state.name, key)
            if data is not None and sha256(outputs.read(path)) != key.sha256:
                wanted.append((path, data))
    for path, data in wanted:
        spare(layout, state.name, path, data)
        atomic.make_directory(os.path.dirname(path))
        atomic.write(path, data, 0o600)
    return [path for path, _ in wanted]


def spare(layout: Layout, name: str, path: str, data: bytes) -> str | None:
    """Put *path* aside, in the lineage, if it holds another private key than *data*, which is to go there."""
    strange = {found for found, _ in _keys(outputs.read(path))} - {found for found, _ in _keys(data)}
    if not strange:
        return None
    inner = os.path.relpath(path, layout.lineage(name)).replace(os.sep, "-")
    aside = f"{layout.lineage(name)}/{inner}.aside-{min(strange)[:11].replace(':', '')}"
    atomic.move(path, aside)
    return aside


def _fits_itself(layout: Layout, name: str) -> bool:
    """Whether in every generation on disk each certificate is for the key that lies there."""
    lineage = layout.lineage(name)
    for number in numbers(layout, name):
        directory = f"{lineage}/{number}"
        keys = {
            sha256(outputs.read(f"{directory}/{entry}"))
            for entry in files.entries(directory)
            if entry.endswith(".key")
        }
        for path in files.below(directory):
            if os.path.basename(path) == "cert.pem" and not _certified(path) <= keys:
                return False
    return True


def numbers(layout: Layout, name: str) -> list[int]:
    """The generations that have a directory."""
    return sorted(int(entry) for entry in files.entries(layout.lineage(name)) if is_number(entry))


def is_number(entry: str) -> bool:
    """Whether a name is one that certctl gives to generations and issuances."""
    return entry.isascii() and entry.isdecimal() and len(entry) < 10


def _certified(path: str) -> set[str | None]:
    """The fingerprint of the key that a certificate is for; nothing where there is none."""
    from certctl.x509.certificate import certificate_facts

    data = outputs.read(path) or b""
    try:
        return {certificate_facts(data).key.sha256}
    except CertctlError:
        return set()


def _keys(data: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Every private key in *data*: fingerprint of its public half, and PEM."""
    from certctl.x509.keys import key_facts

    try:
        blocks = pem.blocks(data or b"")
    except CertctlError:
        return
    for block in blocks:
        if block.label.endswith("PRIVATE KEY"):
            text = pem.encode(block.label, block.der)
            try:
                yield key_facts(text).key.sha256, text
            except CertctlError:
                continue
