"""How far a search is, for people: the numbers, and one line of text made of them."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, log
from time import monotonic
from typing import NamedTuple

from certctl.errors import CertctlError

_EULER_GAMMA = 0.5772156649015329
_SHARES = (0.5, 0.9, 0.99, 0.999)


class SearchStoppedError(CertctlError):
    """The caller's *stop* said so; nothing was left behind."""


class Progress(NamedTuple):
    """Where a search stands.

    *tested* candidates had a modular exponentiation so far, and a search needs
    *expected* of them on average (how many one search needs is exponentially
    distributed, so there is no "percent done"). *elapsed* is in seconds; the
    first *setup* of them went by before the first test.
    """

    bits: int
    tested: int
    expected: float
    elapsed: float
    setup: float


class Watch(NamedTuple):
    """What the caller of a search wants to be told (*progress*), and says itself (*stop*).

    Both are called in the caller's thread, many times a second.
    """

    progress: Callable[[Progress], None] | None = None
    stop: Callable[[], bool] | None = None

    def poll(self) -> None:
        """Raise SearchStoppedError when *stop* says so."""
        if self.stop is not None and self.stop():
            raise SearchStoppedError("the search for dh parameters was stopped")


class Meter:
    """Times one search, and keeps *watch* informed."""

    def __init__(self, bits: int, watch: Watch) -> None:
        self._bits = bits
        self._watch = watch
        self._began = monotonic()
        self._setup: float | None = None
        self._expected = 1.0

    def start_tests(self, bound: int) -> None:
        """Note that the first test begins now, of candidates without a prime factor below *bound*."""
        if self._setup is None:
            self._setup = monotonic() - self._began
            self._expected = expected_candidates(self._bits, bound)

    def tell(self, tested: int) -> None:
        """Report that *tested* candidates were tested so far; raises what the watch raises."""
        elapsed = monotonic() - self._began
        setup = elapsed if self._setup is None else self._setup
        if self._watch.progress is not None:
            self._watch.progress(Progress(self._bits, tested, self._expected, elapsed, setup))
        self._watch.poll()


def expected_candidates(bits: int, bound: int) -> float:
    """Return how many candidates a search tests on average, when all primes below *bound* were sieved out.

    By Mertens' third theorem a number of this size without a factor below
    *bound* is prime with probability e^gamma ln(bound) / ln(2^bits); here two
    numbers have to be.
    """
    one = bits * log(2) / (exp(_EULER_GAMMA) * log(bound))
    return max(one, 1.0) ** 2


def format_progress(progress: Progress) -> str:
    """Return *progress* as one line, such as the CLI draws over and over on a terminal.

    >>> format_progress(Progress(2048, 1240, 2700.0, 3.1, 0.2))
    'searching a 2048-bit safe prime: 1,240 candidates tested, 3.1 s, 50 % are done by 5 s'
    """
    text = f"searching a {progress.bits}-bit safe prime: "
    if not progress.tested:
        return text + f"sieving candidates, {progress.elapsed:.1f} s"
    text += f"{progress.tested:,} candidates tested, {_duration(progress.elapsed, '.1f')}"
    seconds_per_test = (progress.elapsed - progress.setup) / progress.tested
    for share in _SHARES:
        missing = -log(1 - share) * progress.expected - progress.tested
        if missing > 0:
            done = progress.elapsed + missing * seconds_per_test
            return text + f", {share * 100:g} % are done by {_duration(ceil(done), 'd')}"
    return text + ", one of the slowest in a thousand"


def _duration(seconds: float, style: str) -> str:
    if seconds < 100:
        return f"{seconds:{style}} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
