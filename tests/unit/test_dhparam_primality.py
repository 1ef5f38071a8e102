"""The primality tests in plain Python agree with what is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.dhparam import ffdhe
from certctl.dhparam.primality import (
    is_prime,
    is_strong_lucas_probable_prime,
    is_strong_probable_prime,
    jacobi,
)
from tests.unit.dhparam_samples import COMPOSITE, SAFE, SAFE_11, UNSAFE

LIMIT = 20000
PRIMES = {n for n in range(2, LIMIT) if all(n % d for d in range(2, int(n**0.5) + 1))}
ODD = range(3, LIMIT, 2)


def test_the_whole_test_is_right_below_a_limit() -> None:
    """Of all odd numbers below 20000 exactly the primes pass."""
    assert {n for n in ODD if n > 3 and is_prime(n)} == PRIMES - {2, 3}


def test_exceptions_of_the_parts_are_the_known_ones() -> None:
    """Base 2 and Lucas alone err on just the numbers that OEIS A001262 and A217255 list."""
    base_two = {n for n in ODD if is_strong_probable_prime(n, 2)}
    lucas = {n for n in ODD if is_strong_lucas_probable_prime(n)}
    assert base_two - PRIMES == {2047, 3277, 4033, 4681, 8321, 15841}
    assert lucas - PRIMES == {5459, 5777, 10877, 16109, 18971}
    assert (PRIMES - {2}) <= base_two
    assert (PRIMES - {2}) <= lucas


@pytest.mark.parametrize(("n", "prime"), [(SAFE, True), (SAFE_11, True), (UNSAFE, True), (COMPOSITE, False)])
def test_large_numbers(n: int, prime: bool) -> None:
    """The samples, and their halves, are what they are said to be."""
    assert is_prime(n) is prime
    assert is_strong_lucas_probable_prime(n) is prime
    assert is_prime(n // 2) is (n != UNSAFE)


def test_squares_end_the_search_for_parameters() -> None:
    """A square of a prime has no Lucas parameters; the test returns instead of searching for ever."""
    assert not is_strong_lucas_probable_prime(SAFE**2)
    assert not is_prime((2**127 - 1) ** 2)


def test_a_known_group_is_prime() -> None:
    """RFC 7919's smallest prime and its half pass base 2 and Lucas."""
    p = ffdhe.group(2048).p
    for n in (p, p // 2):
        assert is_strong_probable_prime(n, 2)
        assert is_strong_lucas_probable_prime(n)


@given(st.integers(), st.sampled_from(sorted(PRIMES - {2})))
def test_jacobi_is_eulers_criterion_for_primes(a: int, p: int) -> None:
    """For an odd prime the symbol is a^((p-1)/2) modulo p."""
    assert jacobi(a, p) % p == pow(a, (p - 1) // 2, p)


def test_the_poll_may_end_a_test() -> None:
    """What the poll raises between two bases comes out."""

    def poll() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        is_prime(SAFE, poll)
