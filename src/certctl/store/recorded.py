"""Recorded fingerprints against the disk: pins are told to others, so each must be one that a key has.

A record was read off a key or certificate once, and is read off it again as soon as
it is not, to the last digit, what was found true before. Keys and certificates prove
each other; a line of JSON proves nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from certctl.errors import CertctlError
from certctl.planning import transitions
from certctl.planning.state import SLOTS, CertificateRecord, CertificateState, Generation, KeyRecord
from certctl.store import keyfiles, outputs
from certctl.store.layout import Layout
from certctl.store.materials import token_of
from certctl.store.stamps import Stamps

if TYPE_CHECKING:
    from certctl.x509.certificate import CertificateFacts


def corrected(layout: Layout, stamps: Stamps, state: CertificateState) -> tuple[CertificateState, list[str]]:
    """*state* with what the disk proves wrong put right; and the slots of which that was so.

    What was told of a slot whose fingerprints were wrong counts no more: it was
    another pin. What the disk says nothing of stays as it is recorded.
    """
    wrong = []
    for slot in SLOTS:
        generation = state.slot(slot)
        if generation is None or stamps.vouches(
            _place(layout, state.name, generation), (), token_of(generation)
        ):
            continue
        true, proved = _read(layout, state, generation)
        if true != generation.keys:
            wrong.append(slot)
            generation = _replaced(generation, true)
            state = transitions.with_slot(state, slot, generation)
        if proved:
            confirm(layout, stamps, state.name, generation)
    return state, wrong


def confirm(layout: Layout, stamps: Stamps, name: str, generation: Generation) -> None:
    """Remember that the records of *generation* were read off what is on disk."""
    stamps.record_all(_place(layout, name, generation), (), token_of(generation))


def _place(layout: Layout, name: str, generation: Generation) -> str:
    return f"{layout.generation(name, generation.number)}/records"


def _replaced(generation: Generation, keys: tuple[KeyRecord, ...]) -> Generation:
    """With other records; other digests are other pins, which nobody has seen or acknowledged."""
    same = [_pins(key) for key in keys] == [_pins(key) for key in generation.keys]
    new = generation._replace(keys=keys)
    return new if same else new._replace(seen={}, acks={})


def _pins(key: KeyRecord) -> tuple[object, ...]:
    return (*key[:4], key.certificate and key.certificate[:3])


def _read(
    layout: Layout, state: CertificateState, generation: Generation
) -> tuple[tuple[KeyRecord, ...], bool]:
    """What the disk says of the keys of *generation*, each as recorded where it says nothing.

    Also whether it had something to say of all of them.
    """
    found, proved = [], True
    for record in generation.keys:
        key = _key(layout, state, generation, record)
        proved = proved and key is not None
        key = key or record
        certificate = _certificate(layout, state.name, generation, key)
        proved = proved and (certificate is not None or record.certificate is None)
        found.append(key._replace(certificate=certificate or record.certificate))
    return tuple(found), proved


def _key(
    layout: Layout, state: CertificateState, generation: Generation, record: KeyRecord
) -> KeyRecord | None:
    """The record of the key that lies where *record* says, if it is that one or must be.

    A key that is damaged or gone is still known by the certificate that was issued for it.
    """
    from certctl.x509.keys import key_facts

    issued = _issued(layout, state.name, generation, record.algorithm)
    certified = {leaf.key.sha256: leaf.key for leaf in issued}
    data = outputs.read(layout.key(state.name, generation.number, record.algorithm)) or b""
    try:
        facts = key_facts(data)
    except CertctlError:
        only = next(iter(certified.values())) if len(certified) == 1 else None
        found = certified.get(record.sha256, only)
    else:
        same = facts.algorithm == record.algorithm
        fits = generation.issuance == 0 or facts.key.sha256 in certified
        found = facts.key if facts.key.sha256 == record.sha256 or (same and fits) else None
    if found is None:
        return None
    there = record._replace(sha256=found.sha256, sha1=found.sha1, md5=found.md5)
    if there.sha256 == record.sha256:
        return there
    others = {key.sha256 for slot in SLOTS if (other := state.slot(slot)) for key in other.keys}
    # Files that changed places are put back; a key that is somewhere is no wrong record.
    strange = there.sha256 not in others and keyfiles.find(layout, state.name, record) is None
    return there if strange else None


def _certificate(
    layout: Layout, name: str, generation: Generation, key: KeyRecord
) -> CertificateRecord | None:
    """The record of the certificate that was issued for *key*: the recorded one, else the only one there."""
    found = {
        leaf.certificate.sha256: CertificateRecord(
            *leaf.certificate, leaf.serial, leaf.not_before, leaf.not_after
        )
        for leaf in _issued(layout, name, generation, key.algorithm)
        if leaf.key.sha256 == key.sha256
    }
    if key.certificate is not None and key.certificate.sha256 in found:
        return found[key.certificate.sha256]
    return next(iter(found.values())) if len(found) == 1 else None


def _issued(layout: Layout, name: str, generation: Generation, algorithm: str) -> Iterator[CertificateFacts]:
    """What the files of the recorded issuance hold first, as far as these are whole."""
    from certctl.x509.certificate import certificate_facts
    from certctl.x509.pem import certificates

    inner = algorithm if len(generation.keys) > 1 else ""
    directory = os.path.join(layout.issuance(name, generation.number, generation.issuance), inner)
    for file in ("cert.pem", "fullchain.pem", "bundle.pem") if generation.issuance else ():
        data = outputs.read(os.path.join(directory, file)) or b""
        try:
            yield certificate_facts(certificates(data)[0])
        except (CertctlError, IndexError):
            continue
