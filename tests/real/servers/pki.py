"""Certificates for the tests of real servers, made with cryptography and none of certctl's own code."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.real.servers.scratch import write

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PEM = serialization.Encoding.PEM


class Issuer(NamedTuple):
    """A CA's certificate and key."""

    certificate: x509.Certificate
    key: Key


class Authority(NamedTuple):
    """A root and the intermediate that signs leaves."""

    root: Issuer
    intermediate: Issuer

    @property
    def root_pem(self) -> bytes:
        return self.root.certificate.public_bytes(PEM)


class Identity(NamedTuple):
    """A leaf with its key and its intermediates (without the root)."""

    key: Key
    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]

    @property
    def chain(self) -> list[x509.Certificate]:
        """What a server is to send: leaf first, then intermediates."""
        return [self.leaf, *self.intermediates]

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    @property
    def fullchain_pem(self) -> bytes:
        return b"".join(certificate.public_bytes(PEM) for certificate in self.chain)

    @property
    def bundle_pem(self) -> bytes:
        """Key, leaf, intermediates: the order of smtpd_tls_chain_files."""
        return self.key_pem + self.fullchain_pem

    def save(self, directory: str, name: str = "bundle.pem") -> str:
        """Write the bundle, 0600; return its path."""
        return write(os.path.join(directory, name), self.bundle_pem, 0o600)


def key_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key (SPKI DER), as a policy table wants it: AA:BB:…"""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _pairs(hashlib.sha256(spki).digest())


def certificate_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate (DER), as a policy table wants it."""
    return _pairs(certificate.fingerprint(hashes.SHA256()))


def _pairs(digest: bytes) -> str:
    return digest.hex(":").upper()


def make_key(algorithm: str = "ecdsa-p256") -> Key:
    """Return a new key: `ecdsa-p256` or `rsa-2048`."""
    if algorithm == "rsa-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert algorithm == "ecdsa-p256", algorithm
    return ec.generate_private_key(ec.SECP256R1())


def _builder(subject: str, issuer: x509.Name | None, key: Key, days: float) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _ca(subject: str, parent: Issuer | None, path_length: int) -> Issuer:
    key = make_key()
    signed = _builder(subject, parent and parent.certificate.subject, key, 3650).add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    signed = signed.add_extension(usage, critical=True)
    if parent:
        signed = signed.add_extension(_signed_by(parent), critical=False)
    return Issuer(signed.sign(parent.key if parent else key, hashes.SHA256()), key)


def _signed_by(issuer: Issuer) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def make_authority(name: str = "Test") -> Authority:
    """Return a new root with one intermediate."""
    root = _ca(f"{name} Root", None, 1)
    return Authority(root, _ca(f"{name} Intermediate", root, 0))


def make_identity(
    names: Sequence[str] = ("mx.example.test",),
    *,
    authority: Authority | None = None,
    algorithm: str = "ecdsa-p256",
    key: Key | None = None,
    days: float = 90,
) -> Identity:
    """Return a server's certificate for DNS names and IP addresses, with its key (new, unless given)."""
    authority = authority or make_authority()
    key = key or make_key(algorithm)
    leaf = (
        _builder(names[0], authority.intermediate.certificate.subject, key, days)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(_signed_by(authority.intermediate), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority.intermediate.key, hashes.SHA256())
    )
    return Identity(key, leaf, (authority.intermediate.certificate,))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
