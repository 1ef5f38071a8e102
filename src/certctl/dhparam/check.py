"""Whether a file of DH parameters is fit for use: cheap checks, and a confirmation by tests of another make.

Importing this costs next to nothing, and *check_pem* takes a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, prod
from typing import Literal, NamedTuple

from certctl.dhparam import ffdhe
from certctl.dhparam.pem import DHParameters, decode
from certctl.errors import CertctlError

MIN_BITS = 2048
# OpenSSL makes no key for a longer prime (OPENSSL_DH_MAX_MODULUS_BITS).
MAX_BITS = 10000

_SMALL_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
# Twice the 112 bits of strength that 2048 bits are good for; no private key may be easier to guess.
_LEAST_PRIVATE_BITS = 224

Kind = Literal["generate", "ffdhe"]


class DHFacts(NamedTuple):
    """What *check_pem* read: *kind* is ffdhe for RFC 7919's primes; *sha256* is that of the file, in hex."""

    bits: int
    generator: int
    private_bits: int | None
    kind: Kind
    sha256: str


def check_pem(data: bytes, *, min_bits: int = MIN_BITS, name: str = "dh parameters") -> DHFacts:
    """Return the facts of the PEM file *data*, or raise CertctlError, in which *name* stands for the file.

    Finds what can be found without a primality test: a broken or cut file, a size out
    of bounds, a generator that generates too little, and many primes that are none
    or are not safe. Whoever needs certainty calls *confirm*.
    """
    from hashlib import sha256

    parameters = decode(data, name=name)
    problem = _problem(parameters, min_bits)
    if problem is not None:
        raise CertctlError(f"{name}: {problem}", transient=False)
    p, g, length = parameters
    kind: Kind = "ffdhe" if ffdhe.is_group(p) else "generate"
    return DHFacts(p.bit_length(), g, length, kind, sha256(data).hexdigest())


def confirm(
    data: bytes,
    *,
    min_bits: int = MIN_BITS,
    name: str = "dh parameters",
    stop: Callable[[], bool] | None = None,
) -> str:
    """Confirm that p and q = (p - 1) / 2 are prime, and return who says so.

    Whoever made the file most likely relied on OpenSSL's Miller-Rabin tests; these
    are of another make, in plain Python. The primes of RFC 7919 are known.

    CertctlError says what is wrong; SearchStoppedError when *stop* said so.
    """
    from certctl.dhparam import primality
    from certctl.dhparam.progress import Watch

    check_pem(data, min_bits=min_bits, name=name)
    p = decode(data, name=name).p
    if ffdhe.is_group(p):
        return "the table of rfc 7919"
    poll = Watch(stop=stop).poll
    poll()
    who = "certctl's own baillie-psw test"
    problem = None
    # With q prime this proves p prime (Pocklington: 3 does not divide p, and q is above its root).
    if pow(2, p - 1, p) != 1:
        problem = "what should be a prime is not prime"
    elif not primality.is_prime(p // 2, poll):
        problem = "the prime is not a safe prime: half of it is not prime"
    if problem is not None:
        raise CertctlError(f"{name}: {problem} ({who} says so)", transient=False)
    return who


def _problem(parameters: DHParameters, min_bits: int) -> str | None:
    """Return what is wrong with the *parameters* at first sight."""
    p, g, length = parameters
    bits, q = p.bit_length(), p // 2
    # What follows takes the prime to be larger than the small primes.
    if bits < max(min_bits, 64):
        return f"the prime has {bits} bits, at least {min_bits} are needed"
    if bits > MAX_BITS:
        return f"the prime has {bits} bits, more than the {MAX_BITS} that openssl can use"
    small = prod(_SMALL_PRIMES)
    if p % 2 == 0 or gcd(p, small) > 1:
        return "what should be a prime has a small factor"
    if q % 2 == 0 or gcd(q, small) > 1:
        return "the prime is not a safe prime: half of it has a small factor"
    # All else generates the subgroup of order q, or all of the group.
    if not 1 < g < p - 1:
        return "the generator is not suitable: it must lie between 1 and the prime less 1"
    if g != 2 and ffdhe.is_group(p):
        return "the generator is not suitable: with the primes of rfc 7919 it must be 2"
    if length is not None and not min(_LEAST_PRIVATE_BITS, bits - 1) <= length < bits:
        return f"private values of {length} bits do not suit a prime of {bits} bits"
    return None
