"""Whether the time of day is to be believed: it must agree with when certctl ran last.

The kernel counts the seconds since it was started, suspended ones too, and nobody sets
that clock. So while it runs, how far the time of day may have moved is known. Across a
restart only this much is known: it does not go back, and it moved at least as long as the
new kernel runs.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from certctl.planning.times import duration_text, minute_text

JUMP = timedelta(days=1)
"""By which the time of day may differ from what is expected: corrections, a night switched off."""
PROBATION = timedelta(hours=1)
"""How long a synchronized clock must have run evenly after a jump to be believed again."""
EVEN = timedelta(minutes=1)
"""By which it may then differ from the kernel's count."""


class Reading(NamedTuple):
    """The clocks at one moment."""

    now: datetime
    boot: str
    """Which start of the kernel this is."""
    uptime: float
    """Seconds since then, suspended ones too."""
    synchronized: bool = False
    """Whether the kernel says that its time of day is kept right by others (NTP)."""


class Mark(NamedTuple):
    """A reading that is remembered."""

    at: datetime
    boot: str = ""
    """"": told by the times of files, so nothing is known of the kernel then."""
    uptime: float = 0.0


class Marks(NamedTuple):
    """What is remembered of the clock."""

    sure: Mark
    """When the time was last believed."""
    doubtful: Mark | None = None
    """When it was first found to have jumped; it ran evenly since."""


class ClockSeen(NamedTuple):
    """What is to be thought of the clock."""

    doubt: str | None = None
    """Why the time is not believed; None: it is."""
    sure: datetime | None = None
    """With a doubt: the last moment that was believed."""
    until: datetime | None = None
    """With a doubt: when it may be over, if the clock is kept right by others."""
    unproved: timedelta = timedelta()
    """Where a doubt just ended by itself: how much of the time that passed only the clock tells."""


def judge(marks: Marks | None, reading: Reading) -> tuple[ClockSeen, Marks]:
    """What is to be thought of the clock, and what is to be remembered of it."""
    here = mark(reading)
    if marks is None:
        return ClockSeen(), Marks(here)
    sure = marks.sure
    if _agrees(sure, reading):
        return ClockSeen(), Marks(here)
    first = marks.doubtful
    if first is None or not _even(first, reading):
        first = here
    end = first.at + PROBATION
    if reading.synchronized and reading.now >= end:
        return ClockSeen(unproved=max(_unproved(sure, reading), timedelta())), Marks(here)
    doubt = f"the clock went from {minute_text(sure.at)} to {minute_text(reading.now)} ({_by(sure, reading)})"
    until = end if reading.synchronized and end > reading.now else None
    how = "" if reading.synchronized else ", or have the clock synchronized"
    return ClockSeen(f"{doubt}: if that is right, certctl run --accept-clock{how}", sure.at, until), Marks(
        sure, first
    )


def mark(reading: Reading) -> Mark:
    return Mark(reading.now, reading.boot, reading.uptime)


def _agrees(sure: Mark, reading: Reading) -> bool:
    if sure.boot == reading.boot:
        return abs(_unproved(sure, reading)) <= JUMP
    return reading.now - sure.at >= -JUMP and _unproved(sure, reading) <= JUMP


def _unproved(sure: Mark, reading: Reading) -> timedelta:
    """How much further the time of day moved than the kernel's count says."""
    counted = reading.uptime - (sure.uptime if sure.boot == reading.boot else 0.0)
    return reading.now - sure.at - timedelta(seconds=counted)


def _even(first: Mark, reading: Reading) -> bool:
    passed = timedelta(seconds=reading.uptime - first.uptime)
    return first.boot == reading.boot and abs(reading.now - first.at - passed) <= EVEN


def _by(sure: Mark, reading: Reading) -> str:
    moved = (reading.now - sure.at).total_seconds()
    return f"{'+' if moved > 0 else '-'}{duration_text(abs(moved))}"
