"""What comes next, and when: renewals, rotations, ends of holds, retries, ends of what is not renewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certctl.report.lives import moment

Document = Mapping[str, Any]


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
