"""Keys and the requests that they sign (PKCS #10, RFC 2986): made, read, and asked for their signature.

cryptography is imported inside the functions: `status` does without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from certctl.errors import CertctlError, EncryptedKeyError, UsageError
from certctl.x509 import ALGORITHMS, pem
from certctl.x509.certificate import Digests, algorithm_of, digests, names_of, sha256
from certctl.x509.names import common_name, general_names, subject

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

DECRYPT_HINT = "decrypt it: umask 077; openssl pkey -in KEY -out NEW"
PRIVATE_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
PUBLIC_LABELS = ("PUBLIC KEY", "RSA PUBLIC KEY")
REQUEST_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
LABELS = PRIVATE_LABELS + PUBLIC_LABELS + REQUEST_LABELS
"""The PEM labels that `key_facts` reads."""


class KeyFacts(NamedTuple):
    """A key by its public half."""

    algorithm: str
    key: Digests


class RequestFacts(NamedTuple):
    """What a request asks for."""

    names: tuple[str, ...]
    """As in CertificateFacts."""
    key_sha256: str


def generate(algorithm: str) -> bytes:
    """Return a new private key: PKCS #8 PEM, not encrypted. *algorithm* is a word of x509.ALGORITHMS."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if algorithm not in ALGORITHMS:
        raise UsageError(f"{algorithm!r} is no key algorithm", f"known: {', '.join(ALGORITHMS)}")
    key: PrivateKey
    family, _, size = algorithm.partition("-")
    if family == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    elif family == "ecdsa":
        key = ec.generate_private_key(ec.SECP384R1() if size == "p384" else ec.SECP256R1())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_private_key(key_pem: bytes) -> PrivateKey:
    """Read a private key that can sign certificates.

    Its halves are not compared, which takes 30 ms for RSA: a key whose signature
    verifies has shown it.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:
        raise encrypted() from error
    except Exception as error:
        # As in certificate.load: a dozen types, for bytes that are no key.
        raise CertctlError("the private key cannot be read: it is damaged, or no PEM at all") from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise CertctlError("the private key is of a kind that certctl does not sign with")
    return key


def is_whole(der: bytes) -> bool:
    """Whether *der* is a private key (not encrypted) whose numbers fit each other; takes 30 ms for RSA."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        load_der_private_key(der, None)
    except (ValueError, TypeError):
        return False
    except Exception:  # noqa: BLE001  # of a kind that this library does not know: another program may
        return True
    return True


def encrypted() -> EncryptedKeyError:
    return EncryptedKeyError(
        "the private key is encrypted, and certctl has nobody to ask for its passphrase", DECRYPT_HINT
    )


def signature_hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return the hash to sign with: none of its own for Ed25519, SHA-384 for curves above 256 bits."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 256:
        return hashes.SHA384()
    return hashes.SHA256()


@contextlib.contextmanager
def signing(what: str = "the private key") -> Iterator[None]:
    """Turn whatever a damaged key does when it signs into one error, which calls the key *what*."""
    try:
        yield
    except Exception as error:
        raise CertctlError(
            f"the two halves of {what} do not belong together, or it is damaged", "restore it from a backup"
        ) from error


def key_facts(data: bytes) -> KeyFacts:
    """Read the first private key, public key or certificate request in PEM *data*.

    Of a private key only the public half is looked at; whether the two belong
    together shows when it signs (`make_csr`). Raises CertctlError for an encrypted
    key, and if there is no key.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    for block in pem.blocks(data):
        if block.label == "ENCRYPTED PRIVATE KEY" or b"\nProc-Type: 4,ENCRYPTED" in block.text:
            raise encrypted()
        if block.label not in LABELS:
            continue
        try:
            key = _public_key(block)
            der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except Exception as error:
            # As in certificate.load: a dozen types, for bytes that are no key.
            raise CertctlError(f"the {block.label} block holds no key that can be read") from error
        return KeyFacts(algorithm_of(key), digests(der))
    raise CertctlError(f"there is no key in {pem.quote(data)}")


def _public_key(block: pem.Block) -> PublicKeyTypes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if block.label in REQUEST_LABELS:
        return x509.load_der_x509_csr(block.der).public_key()
    if block.label in PUBLIC_LABELS:
        # By PEM: PKCS #1 and SubjectPublicKeyInfo are told apart by the label.
        return serialization.load_pem_public_key(pem.encode(block.label, block.der))
    # The full check of an RSA key takes 30 ms, and says nothing of its fingerprint.
    return serialization.load_der_private_key(
        block.der, None, unsafe_skip_rsa_key_validation=True
    ).public_key()


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
        # As in certificate.load: a dozen types, for bytes that are no request.
        raise CertctlError("the certificate request cannot be read") from error
    if not sound:
        raise CertctlError("the signature of the certificate request is broken")
    return RequestFacts(names_of(names[0] if names else None), sha256(key))
