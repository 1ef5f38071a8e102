"""Moments as JSON and strangers write them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from certctl.planning.times import parse_rfc3339


@pytest.mark.parametrize(
    "text", ["2026-11-24T03:12:07.125Z", "2026-11-24T05:12:07.125+02:00", "2026-11-24T03:12:07.125999999Z"]
)
def test_is_read_in_utc(text: str) -> None:
    """Whatever its offset, a moment is given in UTC, so that nothing overflows later."""
    found = parse_rfc3339(text)
    assert found.utcoffset() == timedelta(0)
    assert found.replace(microsecond=125000) == datetime(2026, 11, 24, 3, 12, 7, 125000, timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "10000-01-01T00:00:00Z"),
        *("2026-11-24T03:12:07", "2026-11-24", "soon", "", "2026-11-24T03:12:07+99:00", "Z" * 100_000),
    ],
)
def test_is_no_moment(text: str) -> None:
    """What is no moment, has no offset, or lies beyond the calendar in UTC is a ValueError, nothing else."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_rfc3339(text)
    assert type(caught.value) is ValueError
