"""Time along the page, and the timeline of one certificate: a lane for each generation, as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from certctl.planning.times import minute_text
from certctl.report.lives import Life, moment
from certctl.report.markup import Html, joined, tag, text

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


LANE = 22
MOST_LANES = 8
"""Older generations are counted, not drawn."""


def timeline(axis: Axis, now: datetime, lives: Sequence[Life], certificate: Mapping[str, Any]) -> Html:
    """The lanes, newest first, below an axis."""
    shown = [life for life in lives[::-1] if _visible(axis, life)][:MOST_LANES]
    rows = [_row(text(""), _axis(axis, now), "axis")]
    for life in shown:
        label = joined(text(f"#{life.number} "), tag("small", text(life.slot or "retired")))
        rows.append(_row(label, _lane(axis, now, life, certificate), life.slot or "retired"))
    hidden = len(lives) - len(shown)
    if hidden > 0:
        rows.append(tag("p", text(f"and {hidden} older generations"), class_="more"))
    return tag("div", *rows, class_="timeline")


def _visible(axis: Axis, life: Life) -> bool:
    last = max((end or axis.end for _, end in life.served), default=life.made_at)
    return life.slot is not None or (last is not None and last >= axis.start)


def _row(label: Html, drawing: Html, kind: str) -> Html:
    return tag("div", tag("span", label, class_="label"), drawing, class_=f"lane {kind}")


def _svg(*inner: Html, height: int = LANE, label: str = "") -> Html:
    return tag("svg", *inner, width="100%", height=height, role="img", aria_label=label or None)


def _axis(axis: Axis, now: datetime) -> Html:
    parts = []
    for number, (at, label) in enumerate(ticks(axis)):
        x = axis.at(at)
        kind = "tick odd" if number % 2 else "tick"
        parts.append(tag("line", x1=f"{x}%", x2=f"{x}%", y1=16, y2=LANE, class_=kind))
        if 2 < x < 96:
            parts.append(tag("text", text(label), x=f"{x}%", y=12, class_=kind))
    parts.append(_now(axis, now, above=15))
    return _svg(*parts, label="time")


def _now(axis: Axis, now: datetime, above: int = 0) -> Html:
    x = f"{axis.at(now)}%"
    return tag("line", x1=x, x2=x, y1=above, y2=LANE, class_="now")


def _lane(axis: Axis, now: datetime, life: Life, certificate: Mapping[str, Any]) -> Html:
    parts = []
    first = life.served[0][0] if life.served else None
    if life.made_at is not None:
        until = first or life.gone_at or now
        parts.append(_bar(axis, life.made_at, until, "standby", f"made {minute_text(life.made_at)}"))
    hold = moment(certificate.get("hold_until")) if life.slot == "next" else None
    if hold is not None:
        parts.append(_bar(axis, now, hold, "hold", f"held until {minute_text(hold)}"))
    for start, end in life.served:
        told = f"served from {minute_text(start)}" + (f" to {minute_text(end)}" if end else "")
        parts.append(_bar(axis, start, end or now, "served", told))
    if life.slot == "current" and life.not_after is not None and life.not_after > now:
        told = f"its certificate is valid until {minute_text(life.not_after)}"
        parts.append(_bar(axis, now, life.not_after, "valid", told))
    for mark in life.marks:
        if axis.holds(mark.at):
            parts.append(_mark(axis.at(mark.at), mark.kind, f"{minute_text(mark.at)}: {mark.text}"))
    if life.slot == "current":
        for name, what in (("renew_at", "renewal"), ("rotate_at", "rotation")):
            at = moment(certificate.get(name))
            if at is not None and at > now and axis.holds(at):
                parts.append(_mark(axis.at(at), what, f"{what} {minute_text(at)}"))
    parts.append(_now(axis, now))
    return _svg(*parts, label=f"generation {life.number}")


def _bar(axis: Axis, start: datetime, end: datetime, kind: str, told: str) -> Html:
    x, width = axis.at(start), axis.at(end) - axis.at(start)
    if width <= 0:
        return Html("")
    inner = tag("title", text(told))
    return tag("rect", inner, x=f"{x}%", width=f"{max(width, 0.25):.3f}%", y=5, height=12, rx=2, class_=kind)


def _mark(x: float, kind: str, told: str) -> Html:
    """A dot for what happened, a ring for what is to come, a cross-bar in red for what failed."""
    inner = tag("title", text(told))
    radius = 5 if kind in ("renewal", "rotation") else 4
    return tag("circle", inner, cx=f"{x}%", cy=11, r=radius, class_=f"mark {kind}")
