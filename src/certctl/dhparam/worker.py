"""One of the Python processes of a race: searches alone, slowly, and writes the result as PEM.

Nothing but `race` starts it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from certctl.dhparam import primality, sieve
from certctl.dhparam.pem import DHParameters, encode

Power = Callable[[int, int, int], int]


def main(arithmetic: str, bits: str, bound: str) -> None:
    """Write DH parameters of *bits* to standard output, and a dot for each candidate to standard error.

    Blanks are written while there is nothing to count: when the parent is gone (even
    if it was killed), the write fails, and that ends this process.
    """
    p = search(arithmetic, int(bits), int(bound), lambda: _tell(b"."), lambda: _tell(b" "))
    sys.stdout.buffer.write(encode(DHParameters(p, 2)))


def search(
    arithmetic: str,
    bits: int,
    bound: int,
    tested: Callable[[], None],
    poll: Callable[[], None],
    *,
    width: int | None = None,
) -> int:
    """Return a random safe prime p ≡ 23 (mod 24) of *bits*, with primes below *bound* sieved out.

    *tested* is called before each test of a candidate, *poll* often meanwhile.
    """
    power, is_prime = _arithmetic(arithmetic, poll)
    width = width or sieve.window_width(bits)
    while True:
        for q in sieve.survivors(sieve.random_start(bits, width), width, bound, poll):
            tested()
            p = 2 * q + 1
            # 2 is a square modulo p; see libcrypto.Tester.euler.
            if power(2, q, p) == 1 and power(2, q - 1, q) == 1 and is_prime(q) and is_prime(p):
                return p


def _arithmetic(name: str, poll: Callable[[], None]) -> tuple[Power, Callable[[int], bool]]:
    """Return modular exponentiation and a full primality test."""
    if name == "gmpy2":
        import gmpy2

        # GMP does Baillie and PSW's test first, which it counts as 24 rounds.
        return gmpy2.powmod, lambda n: bool(gmpy2.is_prime(n, 24 + primality.RANDOM_BASES))
    return pow, lambda n: primality.is_prime(n, poll)


def _tell(what: bytes) -> None:
    os.write(sys.stderr.fileno(), what)
