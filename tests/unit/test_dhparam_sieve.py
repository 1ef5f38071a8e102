"""The sieve strikes all it should, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certctl.dhparam import sieve

PRIMES = [n for n in range(5, 40000) if all(n % d for d in range(2, int(n**0.5) + 1))]


def _never() -> None:
    """Stand for a caller who wants nothing."""


@given(st.integers(64, 300), st.sampled_from([1 << 10, 5000, 30011]))
@settings(max_examples=10, deadline=None)
def test_survivors_are_those_of_trial_division(bits: int, bound: int) -> None:
    """Exactly the candidates remain where no prime up to the bound divides q or 2q + 1, in order."""
    width = 3000
    start = sieve.random_start(bits, width)
    below = [r for r in PRIMES if r < bound]
    wanted = [
        q for q in range(start, start + 12 * width, 12) if all(q % r and (2 * q + 1) % r for r in below)
    ]
    found = list(sieve.survivors(start, width, bound, _never))
    # The sieve may go on to the end of a stretch of twelve.
    assert set(found) <= set(wanted)
    missing = set(wanted) - set(found)
    last = [r for r in PRIMES if bound <= r < bound + 24]
    assert all(any(q % r == 0 or (2 * q + 1) % r == 0 for r in last) for q in missing)
    assert found == sorted(found)


def test_primes_are_found_in_segments() -> None:
    """The primes of the four classes, taken in several segments, are all primes."""
    base = [r for r in PRIMES if r < 200]
    found = [
        r
        for first, last in ((0, 1000), (1000, 1001), (1001, 3333))
        for c in (1, 5, 7, 11)
        for r in sieve._primes(c, first, last, base)
    ]
    assert sorted(found) == [r for r in PRIMES if r < 3333 * 12]


@given(st.integers(64, 2100))
def test_a_start_has_its_size_and_class(bits: int) -> None:
    """q is 11 modulo 12 (so p is 23 modulo 24), and the whole window has the size that was asked for."""
    width = 4096
    first = sieve.random_start(bits, width)
    last = first + 12 * width
    assert first % 12 == 11
    assert (2 * first + 1) % 24 == 23
    assert (2 * first + 1).bit_length() == (2 * last + 1).bit_length() == bits


def test_every_window_is_fresh() -> None:
    """No two starts are alike."""
    assert len({sieve.random_start(256, 4096) for _ in range(100)}) == 100


def test_bound_follows_the_price_of_a_test() -> None:
    """Sieving goes further when tests are dear, less far when many workers share them, and has limits."""
    assert sieve.sieve_bound(2048, 1e-3, 1) > sieve.sieve_bound(2048, 1e-3, 4)
    assert sieve.sieve_bound(2048, 2e-3, 1) > sieve.sieve_bound(2048, 1e-3, 1)
    assert 1 << 22 < sieve.sieve_bound(2048, 1.3e-3, 1) < 1 << 25
    assert sieve.sieve_bound(64, 1e-6, 64) == 1 << 10
    assert sieve.sieve_bound(8192, 1, 1) == 1 << 27


@pytest.mark.parametrize(("bits", "width"), [(64, 1 << 12), (256, 15900), (2048, 1017760), (8192, 1 << 22)])
def test_width_grows_with_the_square_of_the_size(bits: int, width: int) -> None:
    """A window is about four times as wide as hits are apart."""
    assert abs(sieve.window_width(bits) - width) <= width * 0.2


def test_the_poll_is_called_and_may_raise() -> None:
    """Sieving far calls the poll often, and ends when it raises."""
    calls: list[None] = []

    def poll() -> None:
        calls.append(None)
        if len(calls) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sieve.survivors(sieve.random_start(256, 4096), 4096, 1 << 25, poll)
