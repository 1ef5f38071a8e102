"""Makes private keys; nothing here writes one to disk."""

from __future__ import annotations

import os
from collections.abc import Sequence

from certctl.core.spec import ALGORITHMS
from certctl.core.x509_request import make_csr
from certctl.errors import UsageError

__all__ = ["generate", "generate_many", "make_csr"]


def generate(algorithm: str) -> bytes:
    """Return a new private key: PKCS #8 PEM, not encrypted. *algorithm* is a word of spec.ALGORITHMS."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm not in ALGORITHMS:
        raise UsageError(f"{algorithm!r} is no key algorithm", f"known: {', '.join(ALGORITHMS)}")
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


def generate_many(algorithms: Sequence[str]) -> list[bytes]:
    """Return a new key for each of *algorithms*, in their order.

    RSA keys are made in threads, one a processor: cryptography lets go of the
    interpreter while OpenSSL looks for primes (older releases do not, and are
    then as fast as one after the other). The others take microseconds.
    """
    from concurrent.futures import ThreadPoolExecutor

    slow = [at for at, algorithm in enumerate(algorithms) if algorithm.startswith("rsa-")]
    if len(slow) < 2:
        return [generate(algorithm) for algorithm in algorithms]
    with ThreadPoolExecutor(min(len(slow), os.cpu_count() or 1)) as pool:
        made = dict(zip(slow, pool.map(generate, (algorithms[at] for at in slow)), strict=True))
    return [made[at] if at in made else generate(algorithm) for at, algorithm in enumerate(algorithms)]
