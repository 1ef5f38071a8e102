"""How a CA is reached, and what it answered."""

from __future__ import annotations

import http.client
from datetime import datetime, timezone
from typing import Any, NamedTuple

from certctl.issuers.acme.linkheader import links
from certctl.issuers.acme.problem import Problem, UnreachableError, parse_problem
from certctl.issuers.acme.retryafter import seconds_to_wait


class Way(NamedTuple):
    """How a CA is reached."""

    ca_file: str
    """For messages."""
    roots: str
    """PEM certificates to trust in place of the system's; empty: those."""
    connections: int
    """To one host at the same time."""


class Answer(NamedTuple):
    """What came back, whole."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    parsed: dict[str, Any] | None
    """The body, where it is a JSON object."""

    def fields(self, name: str) -> list[str]:
        """Return the values of all header fields of this name."""
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        return ", ".join(self.fields(name)) or None

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises `UnreachableError`, quoting what came instead."""
        if self.parsed is not None:
            return self.parsed
        raise UnreachableError(f"{self.url} answered {self.status} with {self.excerpt()} where JSON was due")

    def problem(self) -> Problem:
        """Return what an error status came with; where it is no problem document, one that quotes it."""
        found = parse_problem(self.parsed, self.status)
        if found:
            return found
        reason = http.client.responses.get(self.status, "")
        return Problem(self.status, "", f"{self.status} {reason}, {self.excerpt()}".replace(" ,", ","))

    def retry_after(self) -> float | None:
        """Seconds that the CA asks to wait, if it does."""
        now = datetime.now(timezone.utc)
        return seconds_to_wait(self.header("Retry-After"), self.header("Date"), now)

    def links(self, relation: str) -> list[str]:
        """Return the targets of all Link header fields of this *relation* (RFC 8288)."""
        return links(self.fields("Link"), relation)

    def excerpt(self) -> str:
        """Say what kind of body it is, with its beginning."""
        if not self.body.strip():
            return "an empty body"
        kind = (self.header("Content-Type") or "").split(";")[0].strip() or "no content type"
        text = " ".join(self.body[:400].decode("utf-8", "replace").split())
        return f"{kind} {text[:80]!r}"
