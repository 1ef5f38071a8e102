"""Candidates for a safe prime: a random start, and a window behind it without small factors.

A window stands for the numbers q = q0 + 12k, 0 <= k < width, with q0 ≡ 11 (mod 12),
each together with p = 2q + 1 ≡ 23 (mod 24). All primes r >= 5 below a bound are
struck out: wherever r divides q or p, k cannot be a hit.

This takes inverses modulo each r, and they come for nothing: r^2 ≡ 1 modulo 12 and
modulo 24, so -1/12 ≡ (r (r mod 12) - 1) / 12 (mod r), and likewise for 24.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import compress
from math import isqrt, log, prod

STEP = 12
SMALLEST_BITS = 64

_CLASSES = (1, 5, 7, 11)
_SEGMENT = 1 << 17
_BATCH = 16
_SECONDS_PER_PRIME = 0.5e-6
_LEAST_BOUND, _MOST_BOUND = 1 << 10, 1 << 27


def random_start(bits: int, width: int) -> int:
    """Return a random q0 ≡ 11 (mod 12), from the operating system's generator.

    All of a window of *width* behind it has bits - 1 bits, so that p has *bits*.
    """
    least = 1 << (bits - 2)
    span = least - STEP * (width + 1)
    # 128 bits more than needed make the bias of the remainder vanish.
    start = least + int.from_bytes(os.urandom(bits // 8 + 17), "big") % span
    return start + (11 - start) % STEP


def window_width(bits: int) -> int:
    """Return a width in which a search of this size nearly always (98 %) ends.

    A hit is met every ln(q) ln(p) / 7.92 steps of 12 on average (Hardy and
    Littlewood's conjecture on pairs q, 2q + 1; 1.32 is twice the twin prime constant).
    """
    wanted = int(4 * (bits * log(2)) ** 2 / (STEP / 2 * 1.32))
    return min(max(wanted, 1 << 12), 1 << 22)


def sieve_bound(bits: int, seconds_per_test: float, workers: int) -> int:
    """Return the prime up to which sieving costs less time than it saves the *workers*.

    Raising the bound B by dB costs dB / ln(B) primes of a fixed price, and of the
    N ~ (bits / ln B)^2 tests saves 2 N dB / (B ln B). The optimum is flat.
    """
    tests = (0.389 * bits / 15) ** 2
    best = 2 * tests * seconds_per_test / (workers * _SECONDS_PER_PRIME)
    return int(min(max(best, _LEAST_BOUND), _MOST_BOUND))


def survivors(start: int, width: int, bound: int, poll: Callable[[], None]) -> Iterator[int]:
    """Return, in order, each q of the window at *start* where no prime below *bound* divides q or 2q + 1.

    The sieving is done when this returns. Meanwhile *poll* is called every few
    hundredths of a second, and may raise.
    """
    alive = bytearray(b"\1") * width
    end = bound // STEP + 1
    for first in range(0, end, _SEGMENT):
        last = min(first + _SEGMENT, end)
        base = _small_primes(isqrt(STEP * last))
        for c in _CLASSES:
            poll()
            _strike(alive, start, _primes(c, first, last, base))
    return (start + STEP * k for k in compress(range(width), alive))


def _small_primes(limit: int) -> list[int]:
    """Return the primes from 5 up to *limit*."""
    flags = bytearray(b"\1") * (limit + 1)
    for n in range(2, isqrt(limit) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit + 1, n)))
    return [n for n in range(5, limit + 1) if flags[n]]


def _primes(c: int, first: int, last: int, base: list[int]) -> list[int]:
    """Return the primes 12j + c, first <= j < last, in order; *base* has those to the last one's root."""
    flags = bytearray(b"\1") * (last - first)
    if first == 0 and c == 1:
        flags[0] = 0
    for b in base:
        j = -c * pow(STEP, -1, b) % b
        lowest = max(first, (b * b - c + STEP - 1) // STEP)
        at = lowest + (j - lowest) % b - first
        flags[at::b] = bytes(len(range(at, last - first, b)))
    return list(compress(range(STEP * first + c, STEP * last, STEP), flags))


def _strike(alive: bytearray, start: int, primes: list[int]) -> None:
    """Strike each k where one of the *primes* divides q or p."""
    width = len(alive)
    for r, remainder in zip(primes, _remainders(start, primes), strict=True):
        in_q = remainder * (r * (r % 12) // 12) % r
        in_p = (in_q + r * (r % 24) // 24) % r
        if r < width:
            alive[in_q::r] = bytes((width - 1 - in_q) // r + 1)
            alive[in_p::r] = bytes((width - 1 - in_p) // r + 1)
        else:
            if in_q < width:
                alive[in_q] = 0
            if in_p < width:
                alive[in_p] = 0


def _remainders(number: int, primes: list[int]) -> list[int]:
    """Return *number* modulo each prime, reducing it by the product of a batch first."""
    remainders: list[int] = []
    for at in range(0, len(primes), _BATCH):
        batch = primes[at : at + _BATCH]
        reduced = number % prod(batch)
        remainders += [reduced % r for r in batch]
    return remainders
