"""Certificate requests (PKCS #10, RFC 2986), and the private keys that sign them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from certctl.core.x509_names import common_name, general_names, subject
from certctl.errors import CertctlError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


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


@contextlib.contextmanager
def signing() -> Iterator[None]:
    """Turn whatever a damaged key does when it signs into one error."""
    try:
        yield
    except Exception as error:
        raise CertctlError(
            "the two halves of the private key do not belong together, or it is damaged",
            "restore it from a backup, or rotate to the next key",
        ) from error


def load_private_key(key_pem: bytes) -> CertificateIssuerPrivateKeyTypes:
    """Read a private key that can sign certificates.

    Its halves are not compared, which takes 30 ms for RSA: a key whose signature
    verifies has shown it.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:
        raise CertctlError(
            "the private key is encrypted, and certctl has nobody to ask for its passphrase",
            "decrypt it: umask 077; openssl pkey -in KEY -out NEW",
        ) from error
    except Exception as error:
        # As in x509_load: a dozen types, for bytes that are no key.
        raise CertctlError("the private key cannot be read: it is damaged, or no PEM at all") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise CertctlError("the private key is of a kind that certctl does not sign with")
    return key


def signature_hash(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return the hash to sign with: none of its own for Ed25519, SHA-384 for curves above 256 bits."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()
