"""Certificates in whatever form a CA hands them to a person."""

from __future__ import annotations

from certctl.errors import CertctlError
from certctl.x509 import pem
from certctl.x509.certificate import content, load

_PKCS7_LABELS = ("PKCS7", "CMS")
_CERTIFICATES = 0xA0


def read_certificates(data: bytes) -> list[bytes]:
    """Return the certificates in *data* as PEM, in its order.

    *data* is PEM (certificates, PKCS #7), or DER of one certificate or of a
    PKCS #7 (.cer, .p7b). Raises CertctlError if there is none.
    """
    if b"-----BEGIN " not in pem.plain(data):
        return _der(data)
    found: list[bytes] = []
    for block in pem.blocks(data):
        if block.label in pem.CERTIFICATE_LABELS:
            found.append(pem.encode(pem.CERTIFICATE, block.der))
        elif block.label in _PKCS7_LABELS:
            found += _pkcs7(block.der)
    if not found:
        raise CertctlError(f"there is no certificate in {pem.quote(data)}")
    return found


def _der(data: bytes) -> list[bytes]:
    if data[:1] != b"\x30":  # SEQUENCE, with which both forms begin
        raise CertctlError(f"there is no certificate in {pem.quote(data)}")
    text = pem.encode(pem.CERTIFICATE, data)
    try:
        return [load(text).pem]
    except CertctlError:
        return _pkcs7(data)


def _pkcs7(der: bytes) -> list[bytes]:
    """Return the certificates of a SignedData (RFC 2315 §9.1), whose signature nobody needs.

    Read here, as the library grows strict about the order of a SET, in which OpenSSL is not.
    """
    try:
        at = _inside(der, 0)  # ContentInfo
        at = _inside(der, _inside(der, _after(der, at)))  # past contentType: [0], SignedData
        for _ in range(3):  # version, digestAlgorithms, contentInfo
            at = _after(der, at)
        found = []
        end = _after(der, at) if der[at] == _CERTIFICATES else at
        at = _inside(der, at)
        while at < end:
            found.append(load(pem.encode(pem.CERTIFICATE, der[at : _after(der, at)])).pem)
            at = _after(der, at)
    except (IndexError, CertctlError) as error:
        what = f"neither a certificate nor a PKCS #7 can be read from {pem.quote(der)}"
        raise CertctlError(what) from error
    if not found:
        raise CertctlError(f"there is no certificate in {pem.quote(der)}")
    return found


def _inside(der: bytes, at: int) -> int:
    return content(der, at)[0]


def _after(der: bytes, at: int) -> int:
    return sum(content(der, at))
