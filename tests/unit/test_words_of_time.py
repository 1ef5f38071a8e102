"""How moments read: what is to come, what is overdue, and events that happened within one minute."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from certctl.cli.commands import log
from certctl.planning.times import again

NOW = datetime(2026, 11, 24, 3, 12, tzinfo=timezone.utc)


def test_again() -> None:
    """What is tried again has a moment to come, or is overdue: then the next pass does it."""
    assert again(NOW + timedelta(minutes=4), NOW) == "again in 4m"
    assert again(NOW - timedelta(minutes=4), NOW) == "again by the next pass"


def test_log_has_seconds() -> None:
    """Every event of the journal is told to the second, the whole minute too."""
    told = log._lines({"at": "2026-11-24T03:12:00Z", "event": "issue", "subject": "mx1"})
    assert told == ["2026-11-24 03:12:00 UTC  mx1: issue"]
