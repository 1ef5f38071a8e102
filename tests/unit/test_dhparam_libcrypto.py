"""libcrypto is found, told what it is to do, and understood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certctl.dhparam import libcrypto
from tests.unit.dhparam_samples import COMPOSITE, SAFE, UNSAFE, paired_library, system_library


def test_only_a_fitting_library_is_loaded() -> None:
    """A missing library and one without the functions are passed over."""
    assert libcrypto.load("/nonexistent/libcrypto.so.3") is None
    assert libcrypto.load("libc.so.6") is None


@pytest.fixture
def tester() -> Iterator[libcrypto.Tester]:
    """A tester of the system's libcrypto."""
    with libcrypto.Tester(system_library()) as tester:
        yield tester


def test_libcrypto_tests_are_right(tester: libcrypto.Tester) -> None:
    """Each test tells the samples apart, in any order, with numbers of any size in between."""
    for _ in range(2):
        assert tester.euler(SAFE // 2)
        assert tester.euler(UNSAFE // 2)
        assert not tester.euler(COMPOSITE // 2)
        assert tester.fermat(SAFE // 2)
        assert tester.fermat(11)
        assert not tester.fermat(UNSAFE // 2)
        assert tester.is_prime(SAFE, lambda: False)
        assert not tester.is_prime(COMPOSITE, lambda: False)
        assert tester.is_prime(2**89 - 1, lambda: False)


def test_libcrypto_tests_pairs(tester: libcrypto.Tester) -> None:
    """Two numbers in one call get the verdicts that they get one by one."""
    paired_library()
    numbers = [SAFE // 2, COMPOSITE // 2, UNSAFE // 2]
    for first in numbers:
        for second in numbers:
            wanted = (tester.euler(first), tester.euler(second))
            assert tester.euler_pair(first, second) == wanted


def test_libcrypto_stops(tester: libcrypto.Tester) -> None:
    """A full test ends, without a verdict of prime, as soon as it is told to."""
    asked: list[None] = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    assert not tester.is_prime(SAFE, stop)
    assert len(asked) < 10
