"""What a probe looks for, what it finds, and how the two differ."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

ERROR, WARNING, INFO = "error", "warning", "info"


class ExpectedKey(NamedTuple):
    """One key with its certificate and intermediates. Digests are SHA-256 of the DER, "AA:BB:…"."""

    algorithm: str
    """As in certctl.toml: ecdsa-p256, rsa-2048, …"""
    key_sha256: str
    """Of the SubjectPublicKeyInfo."""
    leaf_sha256: str = ""
    """Of the certificate; empty: not issued."""
    chain_sha256: tuple[str, ...] = ()
    """Of the intermediates, in the order of sending; the leaf is not among them."""


class Expected(NamedTuple):
    """What should be served, and what else may be met instead. Empty: only what shows by itself is judged."""

    keys: tuple[ExpectedKey, ...] = ()
    """Of the current generation: what is to be served."""
    previous: tuple[ExpectedKey, ...] = ()
    """Of the generation before, and earlier certificates of this one."""
    next: tuple[ExpectedKey, ...] = ()
    names: tuple[str, ...] = ()
    """Names of the certificate; the first DNS name goes into SNI where the URL has only an address."""
    root_sha256: str = ""
    """The trust anchor, where it is known: sending it is needless, but no fault."""
    soon: float | None = None
    """Seconds before its end from which on it "expires soon"; None: a tenth of its life, at most 30 days."""


class Failure(NamedTuple):
    """Why nothing could be seen: a stable word, and a sentence with what the server or the system said."""

    kind: str
    message: str


class ServedCertificate(NamedTuple):
    """One certificate of a served chain."""

    sha256: str
    key_sha256: str
    algorithm: str
    """rsa-2048, ecdsa-p256, ed25519, …"""
    subject: str
    issuer: str
    names: tuple[str, ...]
    """Its subjectAltName: DNS names and IP addresses."""
    not_before: datetime
    not_after: datetime
    signer: int | None
    """Position in the chain of the certificate that signed it; its own: self-signed; None: not sent."""
    sha512: str = ""
    key_sha512: str = ""


class Served(NamedTuple):
    """What one connection saw."""

    url: str
    address: str
    """The IP address; the name of the URL where it has none."""
    port: int
    sni: str
    """The name sent in the hello; empty: none."""
    offered: str
    """The one family of signatures that was offered (rsa, ecdsa, ed25519); empty: all."""
    failure: Failure | None = None
    protocol: str = ""
    """TLSv1.3, …"""
    cipher: str = ""
    group: str = ""
    """Of the key exchange: x25519, secp256r1, ffdhe2048, "DH" for a prime of the server's own."""
    group_bits: int = 0
    """Of the prime for DH, of the curve for ECDH; 0: unknown, or no key exchange."""
    chain: tuple[ServedCertificate, ...] = ()
    """As sent, leaf first."""
    note: str = ""
    """What could not be asked the way it should be."""

    @property
    def place(self) -> str:
        """URL, and the address where it says more."""
        return self.url if self.address in self.url else f"{self.url} ({self.address})"


class Difference(NamedTuple):
    """One way in which what is served is not what should be, over all connections that saw it."""

    severity: str
    """error: not what should be served; warning: served, with a fault; info: worth knowing."""
    kind: str
    """Stable: refused timeout previous missing-intermediate …"""
    url: str
    address: str
    offered: str
    message: str
    fix: str
    """What to do or type; empty where that is plain."""
    connections: int
    of: int
    """How many of the connections to this address saw it."""


def as_json(value: Served | Difference) -> dict[str, object]:
    """The value as what json.dumps takes; times are RFC 3339."""
    return {name: _plain(getattr(value, name)) for name in value._fields}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        from certctl.planning.times import rfc3339

        return rfc3339(value)
    if isinstance(value, (Failure, ServedCertificate)):
        return {name: _plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
