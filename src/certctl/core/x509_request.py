"""Certificate requests (PKCS #10, RFC 2986): made, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from certctl.core import pem
from certctl.core.x509_keys import load_private_key, signature_hash, signing
from certctl.core.x509_load import names_of, sha256
from certctl.core.x509_names import common_name, general_names, subject
from certctl.errors import CertctlError


class RequestFacts(NamedTuple):
    """What a request asks for."""

    names: tuple[str, ...]
    """As in x509.CertificateFacts."""
    key_sha256: str


def make_csr(key_pem: bytes, names: Sequence[str]) -> bytes:
    """Return a request (PEM) for *names*, signed with the key.

    All names stand in subjectAltName; the first DNS name that fits (64
    characters) is the commonName besides, for CAs that want one. Without a
    subject, subjectAltName is critical (RFC 5280 §4.2.1.6).
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    key = load_private_key(key_pem)
    common = common_name(names)
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject(common))
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=common is None)
    )
    with signing():
        request = builder.sign(key, signature_hash(key))
        if not request.is_signature_valid:
            raise ValueError("the signature does not verify")
    return request.public_bytes(Encoding.PEM)


def request_facts(data: bytes) -> RequestFacts:
    """Read the first request in PEM *data*; raises CertctlError if there is none that is whole and signed."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    block = next((block for block in pem.blocks(data) if block.label.endswith("CERTIFICATE REQUEST")), None)
    if block is None:
        raise CertctlError(f"there is no certificate request in {pem.quote(data)}")
    try:
        request = x509.load_der_x509_csr(block.der)
        names = [e.value for e in request.extensions if isinstance(e.value, x509.SubjectAlternativeName)]
        key = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        sound = request.is_signature_valid
    except Exception as error:
        # As in x509_load: a dozen types, for bytes that are no request.
        raise CertctlError("the certificate request cannot be read") from error
    if not sound:
        raise CertctlError("the signature of the certificate request is broken")
    return RequestFacts(names_of(names[0] if names else None), sha256(key))
