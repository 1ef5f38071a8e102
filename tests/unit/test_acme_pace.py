"""When a CA is asked what became of a request: soon, then as it says, and ever more seldom if it does not."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.pace import Pace, Patience, longer


def polls(seconds: float) -> list[float]:
    """Return when a CA that never says anything is asked, in the first *seconds*."""
    pause, now, found = Pace().soon(), 0.0, []
    while now + pause < seconds:
        now += pause
        found.append(now)
        pause = longer(pause, now)
    return found


@pytest.mark.parametrize(
    ("seconds", "number", "late"), [(1, 8, 0.25), (3, 16, 0.3), (60, 50, 5.01), (600, 160, 5.01)]
)
def test_without_retry_after(seconds: float, number: int, late: float) -> None:
    """A verdict is found soon after it falls; a CA that takes its time is asked ever more seldom."""
    found = polls(seconds)
    assert len(found) <= number
    assert max(b - a for a, b in pairwise(found)) <= late


def test_more_orders_are_asked_for_later() -> None:
    """A CA that works at many orders, or that answers slowly, is given more time for each."""
    pace = Pace()
    alone = pace.soon()
    with pace.order(), pace.order():
        assert pace.soon() > alone
    assert pace.soon() == alone
    pace.note(0.4)
    assert pace.soon() >= alone + 0.05
    assert pace.soon(dear=True) > pace.soon(), "an early poll would cost a whole Retry-After"


def test_retry_after_comes_first() -> None:
    """What the CA says counts from the request on, and after each answer."""
    times: list[float] = []
    patience = Patience(30.0, "it", Pace())

    def ask() -> int:
        times.append(time.monotonic())
        return len(times)

    begun = time.monotonic()
    assert patience.poll(ask, lambda seen: seen == 3, lambda _: 0.3, first=0.2) == 3
    assert times[0] - begun >= 0.2
    assert min(times[1] - times[0], times[2] - times[1]) >= 0.3


def test_longer_than_anybody_waits() -> None:
    """A wish beyond the time that is configured ends the wait at once, and is passed on."""
    with pytest.raises(CertctlError, match="it was not done after 60 s") as caught:
        Patience(60.0, "it", Pace()).poll(lambda: 0, bool, lambda _: 3600.0)
    assert caught.value.retry_after == 3600.0
