"""The Retry-After header field (RFC 9110 §10.2.3): seconds, or a date."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

LONGEST = 86400.0
"""Whoever is told to wait for longer asks again after a day: it costs the CA one request."""
_CHARACTERS = 64
"""A date has 29."""


def seconds_to_wait(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds that *value* asks for, at most `LONGEST`; None if it says nothing readable.

    A date is compared with the answer's own *date* where it has one, so that a clock that is
    wrong here does not lengthen or shorten the wait.
    """
    if not value or len(value) > _CHARACTERS:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    until = _moment(text)
    if until is None:
        return None
    since = _moment((date or "")[:_CHARACTERS]) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        # "-0000" and the asctime form carry no zone; HTTP dates are always UTC.
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
