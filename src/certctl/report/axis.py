"""Time along the page: which span is shown, where a moment is in it, where its ticks are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

MOST_PAST = timedelta(days=400)
MOST_FUTURE = timedelta(days=200)
_STEPS = (1 / 24, 0.25, 1, 2, 7)
"""Days between ticks of short spans; longer ones have a tick a month, or several."""


class Axis(NamedTuple):
    """A span of time, drawn from 0 to 100 per cent."""

    start: datetime
    end: datetime

    def at(self, moment: datetime) -> float:
        """Where *moment* is, in per cent, kept inside."""
        share = (moment - self.start) / (self.end - self.start) * 100
        return round(min(max(share, 0.0), 100.0), 3)

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment <= self.end


def around(now: datetime, moments: Iterable[datetime]) -> Axis:
    """A span that shows all *moments*, within `MOST_PAST` and `MOST_FUTURE`, with some air around them."""
    kept = [now, *(moment for moment in moments if now - MOST_PAST <= moment <= now + MOST_FUTURE)]
    start, end = min(kept), max(kept)
    start = min(start, now - (end - now) * 0.12)
    air = max((end - start) * 0.03, timedelta(hours=1))
    return Axis(start - air, end + air)


def ticks(axis: Axis) -> Iterator[tuple[datetime, str]]:
    """Moments to be labelled, six or so."""
    days = (axis.end - axis.start) / timedelta(days=1)
    if days > 75:
        yield from _months(axis, max(1, round(days / 30 / 7)))
        return
    step = next((one for one in _STEPS if days / one <= 9), 14)
    midnight = axis.start.replace(hour=0, minute=0, second=0, microsecond=0)
    tick = midnight
    while tick <= axis.end:
        if tick >= axis.start:
            yield tick, f"{tick:%H:%M}" if step < 1 else f"{tick.day} {tick:%b}"
        tick += timedelta(days=step)


def _months(axis: Axis, step: int) -> Iterator[tuple[datetime, str]]:
    month = axis.start.year * 12 + axis.start.month
    while True:
        year, index = divmod(month, 12)
        tick = axis.start.replace(
            year=year, month=index + 1, day=1, hour=0, minute=0, second=0, microsecond=0
        )
        if tick > axis.end:
            return
        yield tick, f"{tick:%b}" + (f" {year}" if index < step else "")
        month += step
