"""One certificate, read once: everything that certctl asks of it, or one clear error.

cryptography parses extensions late, so a broken one would fail far from here. All
of them are read at once, and what a caller holds afterwards is known to be sound.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from certctl.errors import CertctlError
from certctl.x509 import pem
from certctl.x509.names import Constraints

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

LATE = (
    *("hashlib", "cryptography.exceptions", "cryptography.hazmat.backends.openssl", "cryptography.x509.oid"),
    "cryptography.hazmat.primitives.serialization",
)
"""What is loaded only when there is a certificate: for a process that has to load it before."""

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_PURPOSE = "2.5.29.37.0"
_WEAK = ("md2", "md4", "md5", "sha1", "1.2.840.113549.1.1.2")  # the last: RSA with MD2


class Digests(NamedTuple):
    """Digests of one DER encoding, as "AA:BB:…"."""

    sha256: str
    sha1: str
    md5: str


class Certificate(NamedTuple):
    """A certificate (RFC 5280) with its extensions read."""

    pem: bytes
    der: bytes
    key_der: bytes
    """The SubjectPublicKeyInfo as it stands in the certificate."""
    subject: str
    issuer: str
    subject_der: bytes
    issuer_der: bytes
    serial: str
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """DNS names in lower case and IP addresses of subjectAltName, in its order."""
    algorithm: str
    """A word of x509.ALGORITHMS, or a description of another kind of key."""
    signature_hash: str
    """"sha256", …; empty where the signature algorithm has none of its own (Ed25519)."""
    is_ca: bool
    path_length: int | None
    may_sign: bool
    """keyUsage, where there is one, has keyCertSign."""
    key_id: bytes | None
    issuer_key_id: bytes | None
    constraints: Constraints | None
    purposes: tuple[str, ...]
    """extendedKeyUsage, dotted; empty: all."""
    issuer_urls: tuple[str, ...]
    """caIssuers of authorityInfoAccess."""
    parsed: x509.Certificate

    @property
    def label(self) -> str:
        """What a message calls it."""
        return repr(self.subject or ", ".join(self.names[:3]) or f"serial {self.serial}")

    @property
    def has_weak_signature(self) -> bool:
        """Whether its issuer's signature could be forged; of a root's own, nothing depends."""
        return self.signature_hash in _WEAK

    @property
    def key_sha256(self) -> str:
        return sha256(self.key_der)


class CertificateFacts(NamedTuple):
    """What is worth remembering of a certificate."""

    certificate: Digests
    """Of its DER."""
    key: Digests
    """Of its SubjectPublicKeyInfo's DER: sha256 is the data of TLSA 3 1 1."""
    serial: str
    """Upper-case hex, an even number of digits."""
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """DNS names (A-labels, lower case) and IP addresses, in the certificate's order."""
    issuer: str
    """RFC 4514."""
    algorithm: str
    """A word of x509.ALGORITHMS, or a description of another kind of key."""
    subject: str = ""
    """RFC 4514."""


def load(data: bytes) -> Certificate:
    """Read the first certificate in PEM *data*."""
    block = next((block for block in pem.blocks(data) if block.label in pem.CERTIFICATE_LABELS), None)
    if block is None:
        raise CertctlError(f"there is no certificate in {pem.quote(data)}")
    try:
        return _read(pem.encode(pem.CERTIFICATE, block.der), block.der)
    except Exception as error:
        # Bytes that are no certificate make cryptography raise a dozen types.
        why = " ".join(str(error).split())
        raise CertctlError(f"a CERTIFICATE block holds no valid certificate: {why[:200]}") from error


def certificate_facts(leaf_pem: bytes) -> CertificateFacts:
    """Read the first certificate in *leaf_pem*."""
    found = load(leaf_pem)
    return CertificateFacts(
        certificate=digests(found.der),
        key=digests(found.key_der),
        serial=found.serial,
        not_before=found.not_before,
        not_after=found.not_after,
        names=found.names,
        issuer=found.issuer,
        algorithm=found.algorithm,
        subject=found.subject,
    )


def digests(der: bytes) -> Digests:
    """Return the digests under which *der* is pinned."""
    import hashlib

    return Digests(
        sha256(der),
        colons(hashlib.sha1(der, usedforsecurity=False).digest()),
        colons(hashlib.md5(der, usedforsecurity=False).digest()),
    )


def sha256(der: bytes) -> str:
    import hashlib

    return colons(hashlib.sha256(der).digest())


def colons(digest: bytes) -> str:
    return digest.hex(":").upper()


def names_of(extension: x509.SubjectAlternativeName | None) -> tuple[str, ...]:
    """Return the DNS names, in lower case, and the IP addresses; other kinds are passed over."""
    from cryptography import x509

    found: list[str] = []
    for name in extension or ():
        if isinstance(name, x509.DNSName):
            found.append(_printable(name.value.lower()))
        elif isinstance(name, x509.IPAddress):
            found.append(str(name.value))
    return tuple(found)


def algorithm_of(key: PublicKeyTypes) -> str:
    """Return the word of x509.ALGORITHMS for *key*, or a description in the same form."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return f"rsa-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "ecdsa-p256", "secp384r1": "ecdsa-p384"}.get(
            key.curve.name, f"ecdsa-{key.curve.name}"
        )
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    return type(key).__name__.strip("_").removesuffix("PublicKey").lower()


def _read(text: bytes, der: bytes) -> Certificate:
    from cryptography import x509

    parsed = x509.load_der_x509_certificate(der)
    constraints = _extension(parsed, x509.BasicConstraints)
    usage = _extension(parsed, x509.KeyUsage)
    key_id = _extension(parsed, x509.SubjectKeyIdentifier)
    issuer_key_id = _extension(parsed, x509.AuthorityKeyIdentifier)
    limits = _extension(parsed, x509.NameConstraints)
    purposes = _extension(parsed, x509.ExtendedKeyUsage)
    return Certificate(
        pem=text,
        der=der,
        key_der=_key_der(parsed.tbs_certificate_bytes),
        subject=_printable(parsed.subject.rfc4514_string()),
        issuer=_printable(parsed.issuer.rfc4514_string()),
        subject_der=parsed.subject.public_bytes(),
        issuer_der=parsed.issuer.public_bytes(),
        serial=_serial(parsed.serial_number),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        names=names_of(_extension(parsed, x509.SubjectAlternativeName)),
        algorithm=_algorithm(parsed),
        signature_hash=_signature_hash(parsed),
        is_ca=bool(constraints and constraints.ca),
        path_length=constraints.path_length if constraints else None,
        may_sign=usage is None or usage.key_cert_sign,
        key_id=key_id.digest if key_id else None,
        issuer_key_id=issuer_key_id.key_identifier if issuer_key_id else None,
        constraints=Constraints(_trees(limits.permitted_subtrees), _trees(limits.excluded_subtrees))
        if limits
        else None,
        purposes=tuple(purpose.dotted_string for purpose in purposes or ()),
        issuer_urls=_issuer_urls(parsed),
        parsed=parsed,
    )


_Extension = TypeVar("_Extension", bound="x509.ExtensionType")


def _extension(parsed: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    from cryptography import x509

    try:
        return parsed.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key_der(tbs: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo inside a TBSCertificate (RFC 5280 §4.1).

    Cut out, not encoded anew: what a peer digests is what stands there.
    """
    at = content(tbs, 0)[0]
    if tbs[at] == 0xA0:  # the version, which is left out in v1
        at = sum(content(tbs, at))
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject
        at = sum(content(tbs, at))
    return tbs[at : sum(content(tbs, at))]


def content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at *at* begins, and its length (X.690 §8.1.3)."""
    first = der[at + 1]
    if first < 0x80:
        return at + 2, first
    size = first & 0x7F
    return at + 2 + size, int.from_bytes(der[at + 2 : at + 2 + size], "big")


def _trees(names: list[x509.GeneralName] | None) -> tuple[str, ...]:
    from cryptography import x509

    known = [name for name in names or () if isinstance(name, x509.DNSName | x509.IPAddress)]
    return tuple(str(name.value).lower() for name in known)


def _issuer_urls(parsed: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID as Oid

    access = _extension(parsed, x509.AuthorityInformationAccess) or ()
    return tuple(
        _printable(str(entry.access_location.value))
        for entry in access
        if entry.access_method == Oid.CA_ISSUERS
    )


def _algorithm(parsed: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return algorithm_of(parsed.public_key())
    except UnsupportedAlgorithm:
        return f"key type {parsed.public_key_algorithm_oid.dotted_string}"


def _signature_hash(parsed: x509.Certificate) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        found = parsed.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return parsed.signature_algorithm_oid.dotted_string
    return found.name if found else ""


def _serial(number: int) -> str:
    digits = f"{abs(number):X}"
    return ("-" if number < 0 else "") + digits.zfill(len(digits) + len(digits) % 2)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
