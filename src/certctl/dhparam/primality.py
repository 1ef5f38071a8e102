"""Primality tests in plain Python: slow, and of another make than OpenSSL's.

A number that passes both a strong test to base 2 and a strong Lucas test is prime as
far as anybody knows (Baillie and Wagstaff 1980; nobody has found an exception); the
random bases on top bound the error even if somebody chose the number with malice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from math import gcd, isqrt

RANDOM_BASES = 16

Poll = Callable[[], None]


def no_poll() -> None:
    """Stand for a caller who never wants to end a test early."""


def is_prime(n: int, poll: Poll = no_poll) -> bool:
    """Return whether *n* > 3 passes all tests; a composite does with probability below 4^-16.

    *poll* is called at least between the tests (0.02 s each at 2048 bits, 0.9 s at
    8192), and may raise.
    """
    if n % 2 == 0 or not is_strong_probable_prime(n, 2) or not is_strong_lucas_probable_prime(n, poll):
        return False
    for _ in range(RANDOM_BASES):
        poll()
        base = 2 + int.from_bytes(os.urandom(n.bit_length() // 8 + 9), "big") % (n - 3)
        if not is_strong_probable_prime(n, base):
            return False
    return True


def is_strong_probable_prime(n: int, base: int) -> bool:
    """Return whether the odd *n* > 2 passes Miller and Rabin's test to *base*."""
    twos = _factors_of_two(n - 1)
    x = pow(base, (n - 1) >> twos, n)
    if x in (1, n - 1):
        return True
    for _ in range(twos - 1):
        x = x * x % n
        if x == n - 1:
            return True
    return False


def is_strong_lucas_probable_prime(n: int, poll: Poll = no_poll) -> bool:
    """Return whether the odd *n* > 2 passes the strong Lucas test with Selfridge's parameters.

    These are P = 1, Q = (1 - D) / 4 with the first D of 5, -7, 9, -11, … whose
    Jacobi symbol with n is -1. *poll* is called for each bit.
    """
    d = _selfridge_d(n)
    if d is None:
        return False
    twos = _factors_of_two(n + 1)
    u, v, power_of_q = _lucas((n + 1) >> twos, d, n, poll)
    if u == 0:
        return True
    for _ in range(twos):
        if v == 0:
            return True
        v = (v * v - 2 * power_of_q) % n
        power_of_q = power_of_q * power_of_q % n
    return False


def _lucas(index: int, d: int, n: int, poll: Poll) -> tuple[int, int, int]:
    """Return the Lucas numbers U and V at *index*, and Q to the *index*, all modulo *n*."""
    q = (1 - d) // 4
    u, v, power_of_q = 1, 1, q % n
    for bit in bin(index)[3:]:
        poll()
        u, v = u * v % n, (v * v - 2 * power_of_q) % n
        power_of_q = power_of_q * power_of_q % n
        if bit == "1":
            u, v = u + v, v + d * u
            # Halves modulo the odd n: make them even first.
            u, v = (u + n * (u & 1)) // 2 % n, (v + n * (v & 1)) // 2 % n
            power_of_q = power_of_q * q % n
    return u, v, power_of_q


def _selfridge_d(n: int) -> int | None:
    """Return Selfridge's D for *n*; None when looking for it shows n to be composite."""
    d = 5
    while True:
        symbol = jacobi(d, n)
        if symbol == -1:
            return d
        if symbol == 0 and 1 < gcd(abs(d), n) < n:
            return None
        # A square has no such D; a few tries tell that there may be one to find.
        if d == 21 and isqrt(n) ** 2 == n:
            return None
        d = -d - 2 if d > 0 else -d + 2


def jacobi(a: int, n: int) -> int:
    """Return the Jacobi symbol (a/n) for odd *n* > 0."""
    a %= n
    sign = 1
    while a:
        twos = _factors_of_two(a)
        a >>= twos
        if twos % 2 and n % 8 in (3, 5):
            sign = -sign
        if a % 4 == 3 and n % 4 == 3:
            sign = -sign
        a, n = n % a, a
    return sign if n == 1 else 0


def _factors_of_two(n: int) -> int:
    return (n & -n).bit_length() - 1
