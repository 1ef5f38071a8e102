"""The life of every generation: from the journal, its state where that is cut, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certctl.planning.times import parse_rfc3339

Event = Mapping[str, Any]
Document = Mapping[str, Any]


class Mark(NamedTuple):
    """Something that happened at one moment."""

    at: datetime
    kind: str
    """issue | failed | import"""
    text: str


class Life(NamedTuple):
    """One generation."""

    number: int
    made_at: datetime | None
    served: tuple[tuple[datetime, datetime | None], ...]
    """From when to when its keys were served; an end of None: still."""
    marks: tuple[Mark, ...]
    gone_at: datetime | None
    not_after: datetime | None
    slot: str | None
    """current, next or previous; None: none any more."""


class _Draft:
    """A life while it is put together."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.made_at: datetime | None = None
        self.served: list[tuple[datetime, datetime | None]] = []
        self.marks: list[Mark] = []
        self.gone_at: datetime | None = None
        self.not_after: datetime | None = None
        self.slot: str | None = None

    def begin(self, at: datetime) -> None:
        if not self.served or self.served[-1][1] is not None:
            self.served.append((at, None))

    def end(self, at: datetime) -> None:
        if self.served and self.served[-1][1] is None:
            self.served[-1] = (self.served[-1][0], at)

    def done(self) -> Life:
        return Life(
            self.number,
            self.made_at,
            tuple(self.served),
            tuple(self.marks),
            self.gone_at,
            self.not_after,
            self.slot,
        )


def moment(value: object) -> datetime | None:
    """A time of the journal or of a document; None for what is none."""
    try:
        return parse_rfc3339(str(value)) if value else None
    except ValueError:
        return None


def lives(events: Iterable[Event], certificate: Mapping[str, Any]) -> list[Life]:
    """The generations of one certificate, oldest first.

    *events* are the journal's of this certificate, *certificate* is its entry in
    the document of ``status --json``, which knows better where the two differ.
    """
    drafts: dict[int, _Draft] = {}
    for event in events:
        at = moment(event.get("at"))
        number = event.get("generation")
        if at is not None:
            _tell(drafts, event, at, number if isinstance(number, int) else None)
    _correct(drafts, certificate)
    return [drafts[number].done() for number in sorted(drafts)]


def _tell(drafts: dict[int, _Draft], event: Event, at: datetime, number: int | None) -> None:
    kind = str(event.get("event"))
    if kind.endswith("-failed"):
        serving = [life for life in drafts.values() if life.served and life.served[-1][1] is None]
        last = serving[0] if serving else drafts[max(drafts)] if drafts else None
        if last is not None:
            last.marks.append(
                Mark(at, "failed", f"{kind}: {event.get('error') or event.get('reason') or ''}")
            )
        return
    if number is None:
        return
    life = drafts.setdefault(number, _Draft(number))
    if kind in ("make-key", "import"):
        life.made_at = life.made_at or at
    if kind in ("issue", "import"):
        life.not_after = moment(event.get("not_after")) or life.not_after
        told = "taken over" if kind == "import" else f"issued by {event.get('issuer')}"
        life.marks.append(Mark(at, kind, told))
    if kind in ("promote", "rollback", "import"):
        for other in drafts.values():
            if other is not life:
                other.end(at)
        life.begin(at)
    if kind == "retire":
        life.end(at)
        life.gone_at = at


def _correct(drafts: dict[int, _Draft], certificate: Mapping[str, Any]) -> None:
    """What the state says of the three slots."""
    for slot in ("current", "next", "previous"):
        found = certificate.get(slot)
        if not found:
            continue
        life = drafts.setdefault(int(found["generation"]), _Draft(int(found["generation"])))
        life.slot, life.gone_at = slot, None
        life.made_at = life.made_at or moment(found["made_at"])
        ends = [end for end in (moment(key["not_after"]) for key in found["keys"]) if end is not None]
        life.not_after = min(ends, default=None)
        promoted = moment(found["promoted_at"])
        if slot == "current" and promoted is not None:
            life.begin(promoted)
    current = next((life for life in drafts.values() if life.slot == "current"), None)
    since = current.served[-1][0] if current is not None and current.served else None
    for life in drafts.values():
        if since is not None and life is not current:
            life.end(max(since, life.served[-1][0]) if life.served else since)


class Coming(NamedTuple):
    """One thing that will happen."""

    at: datetime
    subject: str
    what: str


def upcoming(status: Document, now: datetime) -> list[Coming]:
    """The next events of everything in the document of ``status --json``, soonest first."""
    found = [
        Coming(at, subject, what)
        for subject, what, text in _all(status, now)
        if (at := moment(text)) is not None and at > now
    ]
    return sorted(found)


def _all(status: Document, now: datetime) -> Iterator[tuple[str, str, object]]:
    for cert in status["certificates"]:
        name, current = cert["name"], cert["current"]
        yield name, "the certificate is renewed, the key stays", cert["renew_at"]
        yield name, "the key is rotated", cert["rotate_at"]
        yield name, "the hold-down of the next key ends", cert["hold_until"]
        yield name, "what failed is tried again", cert["retry_at"]
        ends = [key["not_after"] for key in current["keys"] if key["not_after"]] if current else []
        renewed = moment(cert["renew_at"])
        if renewed is None or renewed <= now:
            yield name, "the certificate that is served expires", min(ends, default=None)
    for dhparam in status["dhparams"]:
        yield dhparam["name"], "DH parameters are made anew", dhparam["rotate_at"]
    for hook in status["hooks"]:
        yield hook["name"], "the hook is tried again", hook["retry_at"]
