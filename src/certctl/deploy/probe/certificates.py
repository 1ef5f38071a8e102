"""A served chain, read as far as a comparison needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from certctl.deploy.probe.link import Failed
from certctl.deploy.probe.values import ServedCertificate
from certctl.errors import CertctlError
from certctl.x509 import pem
from certctl.x509.certificate import Certificate, colons, load, sha256
from certctl.x509.chain import issued


def read_chain(chain: Sequence[bytes]) -> tuple[ServedCertificate, ...]:
    """Read each certificate of *chain*: DER, in the order of sending. Raises Failed."""
    try:
        loaded = [load(pem.encode(pem.CERTIFICATE, der)) for der in chain]
    except CertctlError as error:
        raise Failed("certificate", f"a served certificate cannot be read: {error.message}") from error
    return tuple(_served(certificate, loaded) for certificate in loaded)


def _served(certificate: Certificate, chain: Sequence[Certificate]) -> ServedCertificate:
    return ServedCertificate(
        sha256=sha256(certificate.der),
        key_sha256=certificate.key_sha256,
        algorithm=certificate.algorithm,
        subject=certificate.subject,
        issuer=certificate.issuer,
        names=certificate.names,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        signer=next((i for i, issuer in enumerate(chain) if issued(issuer, certificate)), None),
        sha512=_sha512(certificate.der),
        key_sha512=_sha512(certificate.key_der),
    )


def _sha512(der: bytes) -> str:
    return colons(hashlib.sha512(der).digest())
