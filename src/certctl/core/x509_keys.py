"""Private keys: made, read, and asked for their signature."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from certctl.core.spec import ALGORITHMS
from certctl.errors import CertctlError, EncryptedKeyError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

DECRYPT_HINT = "decrypt it: umask 077; openssl pkey -in KEY -out NEW"


def generate(algorithm: str) -> bytes:
    """Return a new private key: PKCS #8 PEM, not encrypted. *algorithm* is a word of spec.ALGORITHMS."""
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
        # As in x509_load: a dozen types, for bytes that are no key.
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
