"""Pins: the fingerprints that are told to peers, as data and as lines that they can paste."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from certctl.core.model import CertificateState, Generation
from certctl.core.spec import CertificateSpec

FORMATS = ("text", "policy", "access", "tlsa", "json")
DIGESTS = ("sha256", "sha1", "md5")


class Pin(NamedTuple):
    """One fingerprint of one slot. Digests are "AA:BB:…" of the DER."""

    slot: str
    generation: int
    algorithm: str
    sha256: str
    sha1: str
    md5: str

    def digest(self, name: str) -> str:
        text: str = getattr(self, name)
        return text


class Announced(NamedTuple):
    """What announcers tell of one certificate."""

    certificate: str
    names: tuple[str, ...]
    nexthops: tuple[str, ...]
    pin: str
    """What the pins are of: key | certificate."""
    pins: tuple[Pin, ...]

    def of_slot(self, slot: str) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins if pin.slot == slot)


def pins(generation: Generation | None, slot: str, of: str) -> list[Pin]:
    """The pins of one slot, one for each algorithm; of certificates only where they are issued."""
    found = []
    for key in generation.keys if generation else ():
        source = key.certificate if of == "certificate" else key
        if source is not None and generation is not None:
            digests = (source.sha256, source.sha1, source.md5)
            found.append(Pin(slot, generation.number, key.algorithm, *digests))
    return found


def announced(cert: CertificateSpec, state: CertificateState) -> Announced:
    """What is to be announced of *cert*: current first, then next, then previous."""
    found = [
        pin for slot in ("current", "next", "previous") for pin in pins(state.slot(slot), slot, cert.pin)
    ]
    return Announced(cert.name, cert.names, nexthops(cert), cert.pin, tuple(found))


def nexthops(cert: CertificateSpec) -> tuple[str, ...]:
    """Keys of policy-table lines: as configured, else "[name]" for each name that is no wildcard."""
    return cert.nexthops or tuple(f"[{name}]" for name in cert.names if not name.startswith("*"))


def digest(entry: Announced) -> str:
    """Changes whenever what is to be shown of a certificate changes."""
    import hashlib

    shown = [(pin.slot, pin.sha256) for pin in entry.pins]
    return hashlib.sha256(repr((entry[:4], shown)).encode()).hexdigest()


def policy_line(nexthop: str, fingerprints: Iterable[str]) -> str:
    """A line of a Postfix TLS policy table (postconf(5), smtp_tls_policy_maps; TLS_README)."""
    return " ".join([nexthop, "fingerprint", *(f"match={text}" for text in dict.fromkeys(fingerprints))])


def access_line(fingerprint: str, action: str) -> str:
    """A line for relay_clientcerts or check_ccert_access: the fingerprint is the lookup key."""
    return f"{fingerprint} {action}"


def tlsa_line(name: str, port: int, key_sha256: str, ttl: int | None = None) -> str:
    """A zone record "3 1 1": DANE-EE, SubjectPublicKeyInfo, SHA-256 (RFC 6698 §2.1, RFC 7672 §3.1)."""
    data = key_sha256.replace(":", "").lower()
    lifetime = f"{ttl} " if ttl is not None else ""
    return f"_{port}._tcp.{name}. {lifetime}IN TLSA 3 1 1 {data}"


def tlsa_names(names: Sequence[str]) -> list[str]:
    """The names that can have TLSA records: neither addresses nor wildcards."""
    return [name for name in names if not name.startswith("*") and not _is_address(name)]


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()
