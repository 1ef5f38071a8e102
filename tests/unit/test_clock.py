"""Whether the time of day is believed, and what becomes of what a wrong clock has written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from certctl.errors import UnreadableError
from certctl.planning import transitions
from certctl.planning.clock import JUMP, Mark, Marks, Reading, judge
from certctl.planning.state import Generation, Observation
from certctl.store import clockfile
from certctl.store.layout import Layout
from certctl.system import clocks
from tests.unit.planning_cases import DAY, HOUR, MS, NOW, each, generation, served, state

COUNTED = "clock cases"

MARKS = Marks(Mark(NOW, "first", 1000.0))
FEED = {"feed": Observation(NOW - DAY)}


def reading(moved: timedelta, passed: timedelta, boot: str = "first", synchronized: bool = False) -> Reading:
    """The time of day moved by *moved* since the mark, while the kernel counted *passed* (or runs since)."""
    up = passed.total_seconds() + (1000.0 if boot == "first" else 0.0)
    return Reading(NOW + moved, boot, up, synchronized)


AGREES = {
    "a moment later": reading(HOUR, HOUR),
    "a month of uptime": reading(30 * DAY, 30 * DAY),
    "set by 23 hours": reading(24 * HOUR, HOUR),
    "set back by 23 hours": reading(-22 * HOUR, HOUR),
    "started anew": reading(5 * HOUR, HOUR, "second"),
    "started anew, off for a night": reading(23 * HOUR, timedelta(minutes=1), "second"),
    "up for a month since": reading(31 * DAY, 30.5 * DAY, "second"),
}

JUMPED = {
    "five years ahead": (reading(1826 * DAY, HOUR), "+1826d"),
    "a month back": (reading(-30 * DAY, HOUR), "-30d"),
    "stood still for a week": (reading(HOUR, 7 * DAY), "+1h"),
    "off for a month": (reading(30 * DAY, HOUR, "second"), "+30d"),
    "back across a start": (reading(-2 * DAY, HOUR, "second"), "-2d"),
}


@pytest.mark.parametrize("what", AGREES)
def test_agrees(what: str) -> None:
    """What the kernel counted, or a start of less than a day, explains the time: it is believed."""
    seen, marks = judge(MARKS, AGREES[what])
    assert seen.doubt is None
    assert marks == Marks(Mark(*AGREES[what][:3]))


@pytest.mark.parametrize("what", JUMPED)
def test_jumped(what: str) -> None:
    """A jump of more than a day is doubted, in both directions, and the last sure moment is kept."""
    found, by = JUMPED[what]
    seen, marks = judge(MARKS, found)
    assert seen.doubt is not None
    assert f"({by})" in seen.doubt
    assert "certctl run --accept-clock" in seen.doubt
    assert (seen.sure, marks.sure) == (NOW, MARKS.sure)
    assert marks.doubtful == Mark(*found[:3])


def test_nothing_remembered() -> None:
    """The first pass of all believes the clock: there is nothing yet that it could destroy."""
    assert judge(None, reading(HOUR, HOUR))[0].doubt is None


def test_right_again() -> None:
    """When the clock is put right, the doubt is over at once, and what was seen meanwhile forgotten."""
    _, marks = judge(MARKS, reading(1826 * DAY, HOUR))
    seen, marks = judge(marks, reading(2 * HOUR, 2 * HOUR))
    assert seen.doubt is None
    assert marks.doubtful is None


@pytest.mark.parametrize(
    ("moved", "passed", "boot", "synchronized", "believed"),
    [
        (30 * DAY + 59 * timedelta(minutes=1), 59 * timedelta(minutes=1), "second", True, False),
        (30 * DAY + HOUR, HOUR, "second", True, True),
        (30 * DAY + HOUR, HOUR, "second", False, False),
        (60 * DAY + HOUR, HOUR, "second", True, False),
        (30 * DAY + 2 * HOUR, HOUR, "third", True, False),
    ],
)
def test_probation(
    moved: timedelta, passed: timedelta, boot: str, synchronized: bool, believed: bool
) -> None:
    """A synchronized clock that ran evenly for an hour since it jumped is believed again, no other."""
    _, marks = judge(MARKS, reading(30 * DAY, timedelta(), "second"))
    seen, _ = judge(marks, reading(moved, passed, boot, synchronized))
    assert (seen.doubt is None) is believed


def test_unproved() -> None:
    """When a doubt ends by itself, what the kernel did not count is known: it counts for no hold-down."""
    _, marks = judge(MARKS, reading(30 * DAY, HOUR))
    seen, _ = judge(marks, reading(30 * DAY + HOUR, 2 * HOUR, synchronized=True))
    assert seen.unproved == 30 * DAY - HOUR
    _, marks = judge(MARKS, reading(30 * DAY, HOUR, "second"))
    seen, _ = judge(marks, reading(30 * DAY + HOUR, 2 * HOUR, "second", synchronized=True))
    assert seen.unproved == 30 * DAY - HOUR


def test_file(tmp_path: Path) -> None:
    """What is remembered comes back; a damaged file is made up for by other files' times."""
    layout = Layout(str(tmp_path))
    assert clockfile.load(layout) is None
    marks = Marks(Mark(NOW, "first", 12.5), Mark(NOW + DAY, "second", 1.0))
    clockfile.save(layout, marks)
    assert clockfile.load(layout) == marks
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "a.json").write_text("{}")
    for text in ('{"version": 1, "sure": {"at": 5}}', "[]", "", "\xff"):
        (tmp_path / "clock.json").write_text(text)
        found = clockfile.load(layout)
        assert found is not None
        assert found.sure.boot == ""
        assert abs(found.sure.at - datetime.now(timezone.utc)) < HOUR
    (tmp_path / "clock.json").write_text('{"version": 2}')
    with pytest.raises(UnreadableError, match="a newer certctl"):
        clockfile.load(layout)


def test_watch_for_jumps() -> None:
    """The kernel is asked to tell when the clock is set, and has nothing to tell yet."""
    jumps = clocks.Jumps()
    try:
        assert jumps.clear() is False
    finally:
        jumps.close()


# After a clock that was wrong


@pytest.mark.parametrize(("ahead", "put_back"), [(JUMP, False), (JUMP + MS, True)])
def test_put_in_time(ahead: timedelta, put_back: bool) -> None:
    """Of what lies more than a day ahead hold-downs and rotations begin anew; the rest stays."""
    wrong, before = NOW + ahead, NOW - 5 * DAY
    seen = {"feed": Observation(wrong, 60.0), "dns": Observation(before)}
    following = generation(2, start=None)._replace(made_at=wrong, seen=seen, acks={"peer": wrong})
    old = state(served()._replace(promoted_at=wrong, rotates_from=wrong), following)
    new = transitions.in_time(old, NOW)
    at = NOW if put_back else wrong
    assert new.current is not None
    assert new.next is not None
    assert (new.current.promoted_at, new.current.rotates_from) == (at, at)
    assert (new.next.made_at, new.next.acks) == (at, {"peer": at})
    assert new.next.seen == {"feed": Observation(at, 60.0), "dns": Observation(before)}
    assert transitions.in_time(new, NOW) is new


UNPROVED: dict[
    str, tuple[Generation | None, timedelta, tuple[datetime, datetime | None, datetime] | None]
] = {
    "there is no next": (None, HOUR, None),
    "all time is proved": (
        generation(2, made=-2, start=-2, seen=FEED),
        timedelta(),
        (NOW - 2 * DAY, NOW - 2 * DAY, NOW - DAY),
    ),
    "an hour is not": (
        generation(2, made=-2, start=-2, seen=FEED),
        HOUR,
        (NOW - 2 * DAY + HOUR, NOW - 2 * DAY + HOUR, NOW - DAY + HOUR),
    ),
    "more than it is old": (generation(2, made=-2, start=-2, seen=FEED), 3 * DAY, (NOW, NOW, NOW)),
    "it has no certificate": (
        generation(2, made=-2, start=None, seen=FEED),
        HOUR,
        (NOW - 2 * DAY + HOUR, None, NOW - DAY + HOUR),
    ),
}


@each(UNPROVED)
def test_time_that_is_unproved(
    row: tuple[Generation | None, timedelta, tuple[datetime, datetime | None, datetime] | None],
) -> None:
    """It does not count for the hold-down of next: its moments are put off, at most to now."""
    following, unproved, moments = row
    new = transitions.in_time(state(served(), following), NOW, unproved).next
    assert (new and (new.made_at, new.issued_at, new.seen["feed"].at)) == moments
