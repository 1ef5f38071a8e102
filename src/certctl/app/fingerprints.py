"""Pins to publish: of every slot, and of any PEM file, in the forms that peers paste."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from certctl.app import names as named
from certctl.app import wiring
from certctl.core.model import SLOTS
from certctl.core.pins import (
    access_line,
    announced_slots,
    nexthops,
    pins,
    policy_line,
    tlsa_line,
    tlsa_names,
)
from certctl.core.spec import CertificateSpec, Spec
from certctl.errors import CertctlError, UsageError
from certctl.store.disk import DiskStore


class Query(NamedTuple):
    """What is asked for."""

    slot: str | None = None
    """current, next, previous or all; None: those that are announced."""
    of: str | None = None
    """key or certificate; None: what the certificate is configured to be pinned by."""
    digest: str = "sha256"
    form: str = "text"
    nexthops: tuple[str, ...] = ()
    ports: tuple[int, ...] = (25,)


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


def find(spec: Spec, names: Collection[str], query: Query) -> list[Found]:
    """The fingerprints of certificates; *names* none: of all."""
    check(query)
    named.certificates(spec, names)
    store = DiskStore(spec.state_dir)
    return [
        _certificate(store, cert, query)
        for name, cert in spec.certificates.items()
        if not names or name in names
    ]


def check(query: Query) -> None:
    """Raise UsageError for a form that cannot be what it says."""
    if query.form == "tlsa" and (query.of == "certificate" or query.digest != "sha256"):
        raise UsageError("TLSA 3 1 1 is the sha256 of the key", "leave --of and --digest out")


def _certificate(store: DiskStore, cert: CertificateSpec, query: Query) -> Found:
    state = store.observe_certificate(cert, wiring.clock()).state
    of = "key" if query.form == "tlsa" else query.of or cert.pin
    # Without a slot, what is announced: what is pasted by hand must not say anything else.
    slots = (query.slot,) if query.slot else announced_slots(cert, state, wiring.clock())
    slots = SLOTS if query.slot == "all" else slots
    found = [
        Fingerprint(
            cert.name, slot, pin.generation, pin.algorithm, of, query.digest, pin.digest(query.digest)
        )
        for slot in slots
        for pin in pins(state.slot(slot), slot, of)
    ]
    return Found(cert.name, query.nexthops or nexthops(cert), tuple(tlsa_names(cert.names)), tuple(found))


def of_file(path: str, query: Query) -> Found:
    """The fingerprints of whatever certificates and keys a PEM file holds.

    A private key and its certificate have the same key fingerprint; it is told once.
    Raises CertctlError for a file that holds neither.
    """
    from certctl.core import pem, x509

    check(query)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise CertctlError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    found: list[Fingerprint] = []
    names: tuple[str, ...] = ()
    for block in pem.blocks(data):
        text = pem.encode(block.label, block.der)
        if block.label in pem.CERTIFICATE_LABELS:
            facts = x509.facts(text)
            names = names or facts.names
            digests = {"certificate": facts.certificate, "key": facts.key}
            algorithm = facts.algorithm
        elif "KEY" in block.label or "REQUEST" in block.label:
            key = x509.key_facts(text)
            digests, algorithm = {"key": key.key}, key.algorithm
        else:
            continue
        for of, value in digests.items():
            wanted = "key" if query.form == "tlsa" else query.of
            if wanted in (None, of):
                fingerprint = getattr(value, query.digest)
                found.append(Fingerprint(path, None, None, algorithm, of, query.digest, fingerprint))
    if not found:
        what = "certificate or key" if query.of is None else query.of
        raise CertctlError(f"{path} holds no {what}", "PEM is expected: -----BEGIN CERTIFICATE-----")
    hops = query.nexthops or tuple(f"[{name}]" for name in tlsa_names(names))
    return Found(path, hops, tuple(tlsa_names(names)), tuple(dict.fromkeys(found)))


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
                for port in query.ports:
                    yield from (tlsa_line(name, port, text) for text in texts)


def document(found: Sequence[Found]) -> dict[str, Any]:
    """The form json."""
    return {
        "version": 1,
        "fingerprints": [fingerprint._asdict() for item in found for fingerprint in item.fingerprints],
    }
