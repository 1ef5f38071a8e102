"""Moments and durations as people and JSON see them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

UTC = timezone.utc
_UNITS = ((604800, "w"), (86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond where there is one: ``2026-11-24T03:12:07.125Z``."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return (text[:-4] if text.endswith(".000") else text) + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The inverse of `rfc3339`, in UTC. Raises ValueError, also where the offset is missing.

    So does a moment that UTC's calendar does not have (9999-12-31T23:59:59-12:00).
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is beyond the calendar") from error


def to_milliseconds(moment: datetime) -> datetime:
    """Drop what JSON does not carry, so that a moment that was stored equals itself when read back."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def duration_text(seconds: float) -> str:
    """The largest one or two units: ``7d``, ``1h 30m``, ``0s``."""
    rest = round(seconds)
    if rest <= 0:
        return "0s"
    parts: list[str] = []
    for size, unit in _UNITS[1:]:
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def minute_text(moment: datetime) -> str:
    """For tables: ``2026-11-24 03:12 UTC``, with seconds where a minute would hide the difference."""
    moment = moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if moment.second else "%Y-%m-%d %H:%M UTC")


def from_now(moment: datetime, now: datetime) -> str:
    """``in 6d 23h`` or ``2h ago``."""
    seconds = (moment - now).total_seconds()
    return f"in {duration_text(max(seconds, 1))}" if seconds > 0 else f"{duration_text(-seconds)} ago"


def again(moment: datetime, now: datetime) -> str:
    """When something is done again: ``again in 9s``; what is overdue waits for no moment, but for a pass."""
    return f"again {from_now(moment, now)}" if moment > now else "again by the next pass"


def after(moment: datetime, seconds: float) -> datetime:
    """*moment* plus *seconds*, at most the end of the calendar."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
