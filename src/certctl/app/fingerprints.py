"""Pins to publish: of every slot, and of any PEM file, in the forms that peers paste."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from certctl.app import names as named
from certctl.app import wiring
from certctl.config.addresses import nexthop
from certctl.config.problems import BadValueError
from certctl.errors import CertctlError, UsageError
from certctl.planning.pins import (
    IN_DNS,
    access_line,
    announced_slots,
    nexthops,
    pins,
    policy_line,
    tlsa_line,
    tlsa_names,
)
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import SLOTS
from certctl.store.disk import DiskStore
from certctl.system import files

if TYPE_CHECKING:
    from certctl.x509.certificate import Digests


DEFAULT_PLACES: dict[int, int | None] = {25: None}


class Query(NamedTuple):
    """What is asked for."""

    slot: str | None = None
    """current, next, previous or all; None: those that are announced."""
    of: str | None = None
    """key or certificate; None: what the certificate is configured to be pinned by."""
    digest: str = "sha256"
    form: str = "text"
    nexthops: tuple[str, ...] = ()
    """Empty: as a policy file of the certificate's announcers has them, else as it is configured."""
    ports: tuple[int, ...] = ()
    """Empty: as the announcers of its TLSA records have them, with their TTLs; else 25."""


class Fingerprint(NamedTuple):
    """One fingerprint, and whose it is."""

    subject: str
    """A certificate by name, or a file."""
    slot: str | None
    generation: int | None
    algorithm: str
    of: str
    digest: str
    fingerprint: str


class Found(NamedTuple):
    """The fingerprints of one certificate or file, with what its lines need."""

    subject: str
    nexthops: tuple[str, ...]
    names: tuple[str, ...]
    fingerprints: tuple[Fingerprint, ...]
    places: tuple[tuple[int, int | None], ...]
    """Ports and TTLs of TLSA records."""


def find(spec: Spec, names: Collection[str], query: Query) -> list[Found]:
    """The fingerprints of certificates; *names* none: of all."""
    check(query)
    named.certificates(spec, names)
    store = DiskStore(spec.state_dir)
    return [
        _certificate(spec, store, cert, query)
        for name, cert in spec.certificates.items()
        if not names or name in names
    ]


def check(query: Query) -> None:
    """Raise UsageError for a form that cannot be what it says."""
    if query.form == "tlsa" and (query.of == "certificate" or query.digest != "sha256"):
        raise UsageError("TLSA 3 1 1 is the sha256 of the key", "leave --of and --digest out")
    for port in query.ports:
        if not 0 < port < 65536:
            raise UsageError(f"--port {port}: ports are 1 to 65535")
    for hop in query.nexthops:
        try:
            nexthop(hop)
        except BadValueError as error:
            raise UsageError(f"--nexthop {hop!r}: {str(error) or 'must not be empty'}") from None


def _certificate(spec: Spec, store: DiskStore, cert: CertificateSpec, query: Query) -> Found:
    state = store.observe_certificate(cert, wiring.clock()).state
    of = "key" if query.form == "tlsa" else query.of or cert.pin
    # Without a slot, what is announced: what is pasted by hand must not say anything else.
    vias = [spec.announcers[name] for name in cert.announce]
    in_dns = next((via for via in vias if via.type in IN_DNS), None) if query.form == "tlsa" else None
    slots = (query.slot,) if query.slot else announced_slots(cert, state, wiring.clock(), via=in_dns)
    slots = SLOTS if query.slot == "all" else slots
    found = [
        Fingerprint(
            cert.name, slot, pin.generation, pin.algorithm, of, query.digest, pin.digest(query.digest)
        )
        for slot in slots
        for pin in pins(state.slot(slot), slot, of)
    ]
    own = nexthops(cert)
    hops = dict.fromkeys(hop for via in vias if via.type == "policy" for hop in via.nexthops or own)
    places: dict[int, int | None] = dict.fromkeys(query.ports)
    for via in vias if not query.ports else ():
        for port in via.ports if via.type in IN_DNS else ():
            places.setdefault(port, via.ttl)
    return Found(
        cert.name,
        query.nexthops or tuple(hops) or own,
        tuple(tlsa_names(cert.names)),
        tuple(found),
        tuple((places or DEFAULT_PLACES).items()),
    )


def of_file(path: str, query: Query) -> Found:
    """The fingerprints of the certificates and keys in a PEM file, without the issuers of others in it.

    A private key and its certificate have the same key fingerprint; it is told once.
    Without *of*, lines to paste are of keys, as by default; text and json tell both.
    Raises CertctlError for a file that holds neither.
    """
    check(query)
    data = files.read_given(path)
    try:
        names, entries = _entries(data)
    except CertctlError as error:
        raise CertctlError(f"{path}: {error.message}", error.hint) from error
    wanted = query.of or ("key" if query.form in ("policy", "access", "tlsa") else None)
    found = [
        Fingerprint(path, None, None, algorithm, of, query.digest, getattr(digests, query.digest))
        for algorithm, of, digests in entries
        if wanted in (None, of)
    ]
    if not found:
        what = "certificate or key" if query.of is None else query.of
        raise CertctlError(f"{path} holds no {what}", "PEM is expected: -----BEGIN CERTIFICATE-----")
    hops = query.nexthops or tuple(f"[{name}]" for name in tlsa_names(names))
    places = dict.fromkeys(query.ports) or DEFAULT_PLACES
    return Found(path, hops, tuple(tlsa_names(names)), tuple(dict.fromkeys(found)), tuple(places.items()))


def _entries(data: bytes) -> tuple[tuple[str, ...], list[tuple[str, str, Digests]]]:
    """The names of the first certificate, and algorithm, certificate|key and digests of what is there."""
    from certctl.x509 import pem
    from certctl.x509.certificate import certificate_facts
    from certctl.x509.keys import key_facts

    found: list[tuple[str, list[tuple[str, str, Digests]]]] = []
    names: tuple[str, ...] = ()
    issuers: set[str] = set()
    for block in pem.blocks(data):
        text = pem.encode(block.label, block.der)
        if block.label in pem.CERTIFICATE_LABELS:
            facts = certificate_facts(text)
            names = names or facts.names
            if facts.subject != facts.issuer:
                issuers.add(facts.issuer)
            both = (("certificate", facts.certificate), ("key", facts.key))
            found.append((facts.subject, [(facts.algorithm, of, digests) for of, digests in both]))
        elif "KEY" in block.label or "REQUEST" in block.label:
            key = key_facts(text)
            found.append(("", [(key.algorithm, "key", key.key)]))
    ends = [told for subject, told in found if not subject or subject not in issuers]
    return names, [entry for told in ends for entry in told]


def lines(found: Sequence[Found], query: Query) -> Iterator[str]:
    """The forms policy, access and tlsa: lines to paste, one form a call."""
    for item in found:
        texts = list(dict.fromkeys(fingerprint.fingerprint for fingerprint in item.fingerprints))
        if query.form == "policy" and texts:
            if not item.nexthops:
                raise UsageError(
                    f"{item.subject} has no name that could be a next-hop", "name one: --nexthop '[host]:25'"
                )
            yield from (policy_line(hop, texts) for hop in item.nexthops)
        elif query.form == "access":
            yield from (access_line(text, "OK") for text in texts)
        elif query.form == "tlsa":
            names = item.names or ("HOST",)
            for name in names:
                for port, ttl in item.places:
                    yield from (tlsa_line(name, port, text, ttl) for text in texts)


def document(found: Sequence[Found]) -> dict[str, Any]:
    """The form json."""
    return {
        "version": 1,
        "fingerprints": [fingerprint._asdict() for item in found for fingerprint in item.fingerprints],
    }
