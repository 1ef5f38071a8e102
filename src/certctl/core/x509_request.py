"""Certificate requests (PKCS #10, RFC 2986)."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.core.x509_keys import load_private_key, signature_hash, signing
from certctl.core.x509_names import common_name, general_names, subject


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
