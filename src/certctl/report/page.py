"""The page: an overview, what comes next, a timeline for each certificate, DH parameters and hooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from certctl.planning.times import from_now, minute_text
from certctl.report import drawing
from certctl.report.drawing import Axis, around
from certctl.report.lives import Coming, Event, Life, lives, moment, upcoming
from certctl.report.markup import STYLE, Html, joined, tag, text

MARKER = "<!-- certctl report -->"
"""By which a page that may be replaced is known."""
SOONEST = 12
"""Events to come that are told at once; the others fold out."""
LATEST = 12
"""Events that are told of each certificate."""
_CSP = "default-src 'none'; style-src 'unsafe-inline'"

Document = Mapping[str, Any]


def render(host: str, status: Document, plan: Document, events: Sequence[Event]) -> str:
    """The page; *status* and *plan* are those commands' documents, *events* are the journal's."""
    now = moment(status["now"])
    assert now is not None
    by_subject: dict[str, list[Event]] = {}
    for event in events:
        by_subject.setdefault(str(event.get("subject")), []).append(event)
    found = {c["name"]: lives(by_subject.get(c["name"], []), c) for c in status["certificates"]}
    coming = upcoming(status, now)
    axis = around(now, [*_moments(found.values()), *(one.at for one in coming)])
    body = tag(
        "main",
        tag("h1", text(f"Certificates of {host}")),
        tag("p", text(f"as of {minute_text(now)} · {_summary(status, plan)}"), class_="soft"),
        _overview(status, now),
        _coming(coming, now),
        *_certificates(status, found, by_subject, axis, now),
        _dhparams(status, now),
        _hooks(status, now),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'),
        tag("meta", name="generator", content="certctl report"),
        tag("title", text(f"Certificates of {host}")),
        tag("style", Html(STYLE)),
    )
    return f"<!DOCTYPE html>\n{MARKER}\n{tag('html', head, tag('body', body), lang='en')}\n"


def _moments(found: Iterable[list[Life]]) -> list[datetime]:
    moments: list[datetime] = []
    for generations in found:
        for life in generations:
            moments += [at for at in (life.made_at, life.gone_at) if at is not None]
            moments += [start for start, _ in life.served]
            moments += [mark.at for mark in life.marks]
            moments += [life.not_after] if life.not_after and life.slot == "current" else []
    return moments


def _summary(status: Document, plan: Document) -> str:
    counts: dict[str, int] = {}
    for cert in status["certificates"]:
        counts[cert["state"]] = counts.get(cert["state"], 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no certificates"
    due = len(plan["steps"])
    return f"{said} · {due} step{'s' if due != 1 else ''} due now" if due else f"{said} · nothing is due now"


def _badge(state: str) -> Html:
    return tag("span", text(state), class_=f"badge {state}")


def _table(header: Sequence[str], rows: Iterable[Sequence[Html]], times: Sequence[int] = ()) -> Html:
    head = tag("thead", tag("tr", *(tag("th", text(word)) for word in header)))
    lines = [
        tag(
            "tr",
            *(tag("td", cell, class_="time num" if at in times else None) for at, cell in enumerate(row)),
        )
        for row in rows
    ]
    return tag("table", head, tag("tbody", *lines), class_="wide") if lines else Html("")


def _when(value: object, now: datetime) -> Html:
    at = value if isinstance(value, datetime) else moment(value)
    if at is None:
        return text("–")
    return tag("span", text(f"{at:%Y-%m-%d} ({from_now(at, now)})"), title=minute_text(at))


def _word(word: str) -> Html:
    """What the head of a column says, where a narrow page has no heads."""
    return tag("span", text(word), class_="word")


def _expiry(cert: Document) -> str | None:
    current = cert["current"]
    ends = [key["not_after"] for key in current["keys"] if key["not_after"]] if current else []
    return min(ends, default=None)


def _overview(status: Document, now: datetime) -> Html:
    if len(status["certificates"]) < 2:
        return Html("")
    rows = [
        (
            tag("a", text(cert["name"]), href=f"#c{number}"),
            _badge(cert["state"]),
            text(cert["issuer"] or "–"),
            joined(_word("expires "), _when(_expiry(cert), now)) if _expiry(cert) else text("–"),
            joined(_word("renewal "), _when(cert["renew_at"], now)) if cert["renew_at"] else text("–"),
        )
        for number, cert in enumerate(status["certificates"], 1)
    ]
    header = ("Certificate", "State", "Issuer", "Expires", "Renewal")
    return joined(tag("h2", text("Overview")), tag("div", _table(header, rows, (3, 4)), class_="card"))


def _coming(coming: Sequence[Coming], now: datetime) -> Html:
    rows = [(_when(one.at, now), text(one.subject), text(one.what)) for one in coming]
    header = ("When", "Whose", "What")
    inner = _table(header, rows[:SOONEST], (0,)) or tag("p", text("Nothing is planned."))
    if rows[SOONEST:]:
        more = tag("summary", text(f"and {len(rows) - SOONEST} more"))
        inner = joined(inner, tag("details", more, _table(header, rows[SOONEST:], (0,))))
    return joined(tag("h2", text("What comes next")), tag("div", inner, class_="card"))


def _certificates(
    status: Document,
    found: Mapping[str, list[Life]],
    events: Mapping[str, list[Event]],
    axis: Axis,
    now: datetime,
) -> list[Html]:
    if not status["certificates"]:
        return []
    cards = [
        _card(number, cert, found[cert["name"]], events.get(cert["name"], []), axis, now)
        for number, cert in enumerate(status["certificates"], 1)
    ]
    return [tag("h2", text("Timelines")), _legend(), *cards]


def _legend() -> Html:
    def entry(kind: str, word: str, shape: str = "rect") -> Html:
        if shape == "rect":
            drawn = tag("rect", x=0, y=1, width=22, height=10, rx=2, class_=kind)
        else:
            drawn = tag("circle", cx=11, cy=6, r=4, class_=f"mark {kind}")
        return tag("span", tag("svg", drawn, width=22, height=12), text(word))

    return tag(
        "div",
        entry("standby", "key made, waits"),
        entry("hold", "hold-down"),
        entry("served", "served"),
        entry("valid", "valid from now on"),
        entry("issue", "certificate issued", "circle"),
        entry("renewal", "renewal to come", "circle"),
        entry("rotation", "rotation to come", "circle"),
        entry("failed", "failure", "circle"),
        class_="legend",
    )


def _card(
    number: int, cert: Document, found: Sequence[Life], events: Sequence[Event], axis: Axis, now: datetime
) -> Html:
    names = ", ".join(cert["names"])
    facts = [f"issuer {cert['issuer']}"] if cert["issuer"] else []
    current = cert["current"]
    if current:
        facts.append(" and ".join(key["algorithm"] for key in current["keys"]))
    notes = [cert["last_error"], cert["held"] and f"rotation waits for you: {cert['held']}", cert["waiting"]]
    notes += [f"{file['path']} {file['problem']}" for file in cert["files"] if file["problem"]]
    return tag(
        "section",
        tag("div", tag("h3", text(cert["name"])), _badge(cert["state"]), class_="head"),
        tag("p", text(" · ".join([names, *facts])), class_="soft"),
        *(tag("p", text(note), class_="error") for note in notes if note),
        drawing.timeline(axis, now, found, cert),
        _history(events),
        class_="card",
        id=f"c{number}",
    )


def _history(events: Sequence[Event]) -> Html:
    if not events:
        return Html("")
    lines = []
    for event in list(events)[: -LATEST - 1 : -1]:
        at = moment(event.get("at"))
        told = event.get("error") or event.get("reason") or ""
        generation = f" #{event['generation']}" if event.get("generation") else ""
        what = f"{event.get('event')}{generation}" + (f": {told}" if told else "")
        stamp = tag("span", text(minute_text(at) if at else "?"), class_="soft num")
        lines.append(tag("li", stamp, text(f" {what}")))
    more = f"the last {len(lines)} of {len(events)} events" if len(events) > len(lines) else "what happened"
    return tag("details", tag("summary", text(more)), tag("ol", *lines, class_="log"))


def _dhparams(status: Document, now: datetime) -> Html:
    rows = [
        (
            text(row["name"]),
            _badge(row["state"]),
            text(f"{row['bits']} bits, {row['source']}"),
            joined(_word("made "), _when(row["made_at"], now)) if row["made_at"] else text("–"),
            joined(
                text(row["path"]),
                *([tag("p", text(row["last_error"]), class_="error")] if row["last_error"] else []),
            ),
        )
        for row in status["dhparams"]
    ]
    if not rows:
        return Html("")
    table = _table(("Name", "State", "Kind", "Made", "File"), rows, (3,))
    return joined(tag("h2", text("DH parameters")), tag("div", table, class_="card"))


def _hooks(status: Document, now: datetime) -> Html:
    rows = []
    for row in status["hooks"]:
        pending = f"due for {', '.join(row['pending'])}" if row["pending"] else ""
        said = str(row["output"] or "").strip().splitlines()[-1:] if row["state"] == "failing" else []
        rows.append(
            (
                text(row["name"]),
                _badge(row["state"]),
                joined(_word("ran "), _when(row["last_run"], now)) if row["last_run"] else text("never ran"),
                text(" · ".join([*filter(None, [pending]), *said])),
            )
        )
    if not rows:
        return Html("")
    table = _table(("Hook", "State", "Last run", ""), rows, (2,))
    return joined(tag("h2", text("Hooks")), tag("div", table, class_="card"))
