"""Generations on disk: immutable directories of keys and of what was issued for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from certctl.errors import CertctlError, StateError
from certctl.planning import times
from certctl.planning.state import CertificateState, Generation, KeyRecord, Request
from certctl.store import keyfiles, outputs
from certctl.store.atomic import Batch
from certctl.store.layout import LIVE_FILES, Layout
from certctl.system import files
from certctl.x509 import pem
from certctl.x509.bundle import Change, Material, issuance_files

REQUEST = "request.json"
"""In each issuance: what was asked for and of whom, so that state can be put together again."""
_END = b"-----END CERTIFICATE-----\n"


def free_number(layout: Layout, state: CertificateState, keys: Sequence[bytes] = ()) -> int:
    """The number of the next generation, which is to have *keys*.

    One that a crash left without a record is used again for the same keys only.
    """
    number = state.last_number + 1
    while files.info(layout.generation(state.name, number)) is not None:
        if keys and set(keys) == set(_keys_alone(layout.generation(state.name, number)).values()):
            break
        number += 1
    return number


def unrecorded_keys(
    layout: Layout, state: CertificateState, algorithms: Sequence[str]
) -> tuple[bytes, ...] | None:
    """The keys of a generation that nothing was done with since a crash: one for each of *algorithms*."""
    from certctl.x509.keys import key_facts

    found = _keys_alone(layout.generation(state.name, state.last_number + 1))
    if set(found) != set(algorithms):
        return None
    try:
        if any(key_facts(found[algorithm]).algorithm != algorithm for algorithm in algorithms):
            return None
    except CertctlError:
        return None
    return tuple(found[algorithm] for algorithm in algorithms)


def _keys_alone(directory: str) -> dict[str, bytes]:
    """The key files of a generation by algorithm; nothing if it holds anything else."""
    names = files.entries(directory)
    found = {name: outputs.read(os.path.join(directory, name)) for name in names if name.endswith(".key")}
    if len(found) != len(names):
        return {}
    return {name.removesuffix(".key"): data for name, data in found.items() if data is not None}


def new_keys(
    layout: Layout, number: int, keys: Sequence[tuple[str, bytes]], state: CertificateState, encoded: bytes
) -> Change:
    """Generation *number* with its *keys*, together with the *state* that names it."""
    path = layout.generation(state.name, number)
    batch = Batch()
    if _keys_alone(path) == dict(keys):
        # A crash left them; whether they would outlive a power cut, nobody knows.
        batch.kept(path)
    else:
        batch.directory(layout.lineage(state.name))
        batch.tree(path, [(f"{algorithm}.key", data, 0o600) for algorithm, data in keys])
    return Change(batch.file(layout.state(state.name), encoded, 0o600))


def new_issuance(
    layout: Layout,
    generation: Generation,
    materials: Sequence[Material],
    request: Request,
    state: CertificateState,
    encoded: bytes,
) -> Change:
    """The certificates, together with the *state* that counts them.

    The issuance before stays: it is what the files hold until they are written.
    """
    path = layout.issuance(state.name, generation.number, generation.issuance)
    batch = Batch()
    for old in _superseded(layout, state.name, generation):
        batch.gone(old)
    kept = issuance_files(LIVE_FILES, materials)
    kept.append((REQUEST, request_file(request), 0o600))
    return Change(batch.tree(path, kept).file(layout.state(state.name), encoded, 0o600))


def request_file(request: Request) -> bytes:
    """What an issuance keeps as `REQUEST`; the inverse of `read_request`."""
    asked = {
        "names": request.names,
        "issuer": request.issuer,
        "issued_at": times.rfc3339(request.issued_at),
    }
    return json.dumps(asked).encode() + b"\n"


def _superseded(layout: Layout, name: str, generation: Generation) -> Iterator[str]:
    """What makes room for an issuance: its own remains, and all but the one before, if nothing uses them.

    They go first, so that a crash leaves none of them behind for good.
    """
    directory = layout.generation(name, generation.number)
    number, served = os.path.split(files.link_target(layout.live(name)) or "")
    kept = {f"issued-{generation.before.number}"} if generation.before else set()
    if os.path.basename(number) == str(generation.number):
        kept.add(served)
    for entry in files.entries(directory):
        own = entry == f"issued-{generation.issuance}"
        if own or (entry.startswith("issued-") and entry not in kept):
            yield os.path.join(directory, entry)


def read_request(layout: Layout, name: str, number: int, issuance: int) -> Request | None:
    """What an issuance was asked for with, if it is there and whole."""
    data = outputs.read(os.path.join(layout.issuance(name, number, issuance), REQUEST))
    try:
        asked: Any = json.loads(data or b"")
        names, issuer = asked["names"], asked["issuer"]
        if not all(isinstance(text, str) and text.encode() for text in [issuer, *names]):
            return None
        issued_at = times.parse_rfc3339(asked["issued_at"]).astimezone(times.UTC)
        return Request(tuple(names), issuer, issued_at)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def read_key(layout: Layout, name: str, generation: Generation, record: KeyRecord) -> bytes:
    """The private key that *record* describes, from wherever it is whole. Raises StateError."""
    from certctl.x509.keys import key_facts

    inner = _algorithm_directory(generation, record.algorithm)
    places = [layout.key(name, generation.number, record.algorithm)]
    if generation.issuance:
        issued = layout.issuance(name, generation.number, generation.issuance)
        places += [os.path.join(issued, inner, file) for file in ("key.pem", "bundle.pem")]
    for place in places:
        data = outputs.read(place)
        for block in _blocks(data):
            if block.label.endswith("PRIVATE KEY"):
                found = pem.encode(block.label, block.der)
                try:
                    if key_facts(found).key.sha256 == record.sha256:
                        return found
                except CertctlError:
                    continue
    elsewhere = keyfiles.find(layout, name, record)
    if elsewhere is not None:
        return elsewhere
    raise StateError(
        f"the {record.algorithm} key of {name}, generation {generation.number}, is not in {places[0]}",
        "restore it from a backup, or let the next key take its place: certctl rotate --force " + name,
    )


def read_materials(layout: Layout, name: str, generation: Generation) -> tuple[Material, ...]:
    """What *generation* is served as, verified against the recorded fingerprints.

    Each part is taken from whichever file of the issuance holds it whole, so that
    damage to one file is repaired from another. Raises StateError.
    """
    return tuple(_read_material(layout, name, generation, record) for record in generation.keys)


def _read_material(layout: Layout, name: str, generation: Generation, record: KeyRecord) -> Material:
    from certctl.x509.certificate import certificate_facts
    from certctl.x509.chain import order_chain

    assert record.certificate is not None
    issued = layout.issuance(name, generation.number, generation.issuance)
    inner = os.path.join(issued, _algorithm_directory(generation, record.algorithm))
    key = read_key(layout, name, generation, record)
    kept_root = outputs.read(os.path.join(inner, "root.pem"))
    for file in ("fullchain.pem", "bundle.pem"):
        found = _certificates(outputs.read(os.path.join(inner, file))) + _certificates(kept_root)
        try:
            chain, root = order_chain(found, record.sha256)
            told = root is not None or kept_root is None
            if told and certificate_facts(chain[0]).certificate.sha256 == record.certificate.sha256:
                return Material(record.algorithm, key, chain[0], tuple(chain[1:]), root)
        except CertctlError:
            continue
    raise StateError(f"the certificate of {name} in {issued} is missing or damaged", f"certctl renew {name}")


def read_unverified(layout: Layout, name: str, generation: Generation) -> tuple[Material, ...] | None:
    """What lies where *generation* should have it, not looked into; None where a file is missing.

    Only for whoever knows the bytes that must be there.
    """
    found = []
    for record in generation.keys:
        issued = layout.issuance(name, generation.number, generation.issuance)
        inner = os.path.join(issued, _algorithm_directory(generation, record.algorithm))
        key = outputs.read(layout.key(name, generation.number, record.algorithm))
        # Bytes behind the last one make no difference to what is served.
        texts = (outputs.read(f"{inner}/fullchain.pem") or b"").split(_END)[:-1]
        if key is None or not texts:
            return None
        leaf, *chain = (text + _END for text in texts)
        root = outputs.read(f"{inner}/root.pem") or None
        found.append(Material(record.algorithm, key, leaf, tuple(chain), root))
    return tuple(found)


def _algorithm_directory(generation: Generation, algorithm: str) -> str:
    """Where an issuance holds the files of one algorithm: at its top when there is only one."""
    return algorithm if len(generation.keys) > 1 else ""


def _blocks(data: bytes | None) -> list[pem.Block]:
    try:
        return pem.blocks(data or b"")
    except CertctlError:
        return []


def _certificates(data: bytes | None) -> list[bytes]:
    try:
        return pem.certificates(data or b"")
    except CertctlError:
        return []


def removal(layout: Layout, number: int, state: CertificateState, encoded: bytes) -> Change:
    """A generation that stands in no slot goes, and then the *state* that remembered it.

    Raises StateError where live/NAME still points at it.
    """
    live = layout.live(state.name)
    if os.path.basename(os.path.dirname(files.link_target(live) or "")) == str(number):
        raise StateError(
            f"generation {number} of {state.name} stands in no slot, but {live} points at it",
            f"certctl run {state.name}",
        )
    batch = Batch().gone(layout.generation(state.name, number))
    return Change(batch.file(layout.state(state.name), encoded, 0o600))
