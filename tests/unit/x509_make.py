"""Certificates of every kind, right and wrong, made with cryptography and none of certctl's own code."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)


class Made(NamedTuple):
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return private_pem(self.key)

    @property
    def pin(self) -> str:
        return pin(self.key)


def ec_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pin(key: Key) -> str:
    """SHA-256 of the public key's SubjectPublicKeyInfo."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return digest.finalize().hex(":").upper()


def make(
    subject: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    ca: bool = False,
    path_length: int | None = None,
    key: Key | None = None,
    start: datetime = NOW - DAY,
    end: datetime = NOW + 90 * DAY,
    issuer_url: str | None = None,
    constraints: x509.NameConstraints | None = None,
    purposes: Sequence[x509.ObjectIdentifier] = (),
    cert_sign: bool | None = None,
) -> Made:
    """Sign a certificate; without *issuer* it signs itself."""
    key = key or ec_key()
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    if issuer_url:
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if constraints:
        builder = builder.add_extension(constraints, critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if cert_sign is not None:
        builder = builder.add_extension(_usage(cert_sign), critical=True)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Made(builder.sign(signer, algorithm), key)


class Chain(NamedTuple):
    """A leaf for `mx.example.test` below an intermediate below a root."""

    root: Made
    middle: Made
    leaf: Made

    @property
    def pems(self) -> list[bytes]:
        return [self.leaf.pem, self.middle.pem]


def make_chain(label: str = "Test") -> Chain:
    root = make(f"{label} Root", ca=True, end=NOW + 3650 * DAY)
    middle = make(f"{label} Intermediate", root, ca=True, path_length=0, end=NOW + 365 * DAY)
    return Chain(root, middle, make("mx.example.test", middle, names=["mx.example.test", "192.0.2.25"]))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=cert_sign, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
