"""Mail hosts of ten years ago, that pin each other's certificates by MD5."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from tests.real.servers.postfix import Postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.scratch import write

PEM = serialization.Encoding.PEM
MD5 = {"smtp_tls_fingerprint_digest": "md5", "smtpd_tls_fingerprint_digest": "md5"}


class Old:
    """Key and certificate as openssl(1) made them ten years ago: RSA, self-signed, without subjectAltName."""

    def __init__(self, directory: str, name: str) -> None:
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(timezone.utc)
        self.certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=300))
            .not_valid_after(now + timedelta(days=3300))
            .sign(key, hashes.SHA256())
        )
        data = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key = write(f"{directory}/{name}.key", data, 0o600)
        self.crt = write(f"{directory}/{name}.crt", self.certificate.public_bytes(PEM), 0o644)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "smtpd_tls_chain_files": "",
            "smtpd_tls_key_file": self.key,
            "smtpd_tls_cert_file": self.crt,
            "smtpd_tls_security_level": "may",
        }


def md5(certificate: x509.Certificate) -> str:
    """As `openssl x509 -fingerprint -md5` prints it, and old policy tables have it."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.md5(der, usedforsecurity=False).hexdigest().upper()


def pinned(server: Postfix, *digests: str) -> list[str]:
    """The peer's policy line for *server*."""
    pairs = [":".join(re.findall("..", one.replace(":", ""))) for one in digests]
    return [f"[127.0.0.1]:{server.smtp} fingerprint " + " ".join(f"match={one}" for one in pairs)]


def dh512(directory: str) -> dict[str, str]:
    """Parameters as they were made for export ciphers, and the settings that name them."""
    weak = f"{directory}/dh512.pem"
    run([program("openssl"), "dhparam", "-out", weak, "512"])
    os.chmod(weak, 0o644)
    return {"smtpd_tls_dh1024_param_file": weak, "smtpd_tls_dh512_param_file": weak}
