"""Pins: the fingerprints that are told to peers, as data and as lines that they can paste."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.planning.spec import AnnouncerSpec, CertificateSpec
from certctl.planning.state import SLOTS, CertificateState, Generation
from certctl.planning.times import after

FORMATS = ("text", "policy", "access", "tlsa", "json")
DIGESTS = ("sha256", "sha1", "md5")
IN_DNS = ("tlsa", "dns")
"""Types of announcers that show TLSA records."""


class Pin(NamedTuple):
    """One fingerprint of one slot. Digests are "AA:BB:…" of the DER."""

    slot: str
    generation: int
    algorithm: str
    sha256: str
    sha1: str
    md5: str
    made_at: datetime | None = None
    served_from: datetime | None = None

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
    hold_down: float = 0.0

    def of_slot(self, slot: str) -> tuple[Pin, ...]:
        return tuple(pin for pin in self.pins if pin.slot == slot)


def pins(generation: Generation | None, slot: str, of: str) -> list[Pin]:
    """The pins of one slot, one for each algorithm; of certificates only where they are issued."""
    found = []
    for key in generation.keys if generation else ():
        source = key.certificate if of == "certificate" else key
        if source is not None and generation is not None:
            digests = (source.sha256, source.sha1, source.md5)
            moments = (generation.made_at, generation.promoted_at)
            found.append(Pin(slot, generation.number, key.algorithm, *digests, *moments))
    return found


def announced(
    cert: CertificateSpec,
    state: CertificateState,
    now: datetime,
    *,
    via: AnnouncerSpec | None = None,
    proved: bool = True,
) -> Announced:
    """What is to be announced of *cert*: current, next, and previous as long as somebody may meet it.

    *proved*: the current generation is what is served now; without that, previous
    stays announced beyond its time. TLSA records are of keys, whatever is pinned.
    """
    of = "key" if via is not None and via.type in IN_DNS else cert.pin
    slots = announced_slots(cert, state, now, via=via, proved=proved)
    found = [pin for slot in slots for pin in pins(state.slot(slot), slot, of)]
    return Announced(cert.name, cert.names, nexthops(cert), of, tuple(found), cert.hold_down)


def announced_slots(
    cert: CertificateSpec,
    state: CertificateState,
    now: datetime,
    *,
    via: AnnouncerSpec | None = None,
    proved: bool = True,
) -> tuple[str, ...]:
    """The slots whose pins are announced, as `announced` has it."""
    ends = previous_ends(cert, state, via)
    return SLOTS if ends is not None and (now < ends or not proved) else SLOTS[:2]


def previous_ends(
    cert: CertificateSpec, state: CertificateState, via: AnnouncerSpec | None = None
) -> datetime | None:
    """Until when the pins of the previous generation stay announced; None: there is none.

    For the hold-down after it gave way, since servers and peers may lag that long;
    in the DNS at least as long as caches hold what they have. A compromised one is
    not to be believed a moment longer.
    """
    if state.previous is None or state.current is None or state.current.promoted_at is None:
        return None
    if state.previous.compromised:
        return state.current.promoted_at
    return after(state.current.promoted_at, max(cert.hold_down, cache_time(via)))


def cache_time(via: AnnouncerSpec | None) -> float:
    """Seconds for which others may hold an old answer: twice the TTL in the DNS (RFC 7671 §8.1), else 0."""
    return 2.0 * via.ttl if via is not None and via.type in IN_DNS else 0.0


def nexthops(cert: CertificateSpec) -> tuple[str, ...]:
    """Keys of policy-table lines: as configured, else "[name]" for each name that is no wildcard."""
    return cert.nexthops or tuple(f"[{name}]" for name in cert.names if not name.startswith("*"))


def place(via: AnnouncerSpec) -> str:
    """A word for where *via* shows pins and to whom: shown elsewhere, they have to be seen there anew."""
    import hashlib

    where = (via.type, via.path, via.check, via.server, via.zone, via.ports, via.command)
    return hashlib.sha256(repr(where).encode()).hexdigest()[:16]


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
