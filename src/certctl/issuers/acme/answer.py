"""What a CA answered: header fields, JSON, and problem documents, the CA's own words (RFC 7807)."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from certctl.errors import IssuerError

PREFIX = "urn:ietf:params:acme:error:"
PERMANENT = frozenset(
    {
        "badCSR",
        "badPublicKey",
        "badRevocationReason",
        "externalAccountRequired",
        "invalidContact",
        "invalidProfile",
        "rejectedIdentifier",
        "unsupportedContact",
        "unsupportedIdentifier",
        "userActionRequired",
    }
)
"""What the same request will be told again tomorrow."""
_OUTSIDE = "check the name's A and AAAA records, redirects, and any proxy before this host"
HINTS = {
    "rateLimited": "limits count per account, domain and set of names: see docs/acme.md, rate limits",
    "caa": "a CAA record forbids this CA: look with `dig CAA NAME`, and add the CA's own name to it",
    "connection": "the CA must reach this host from outside, on port 80 (http-01) or 443 (tls-alpn-01), over "
    "IPv4 and, where there is an AAAA record, over IPv6: check the records and the firewall",
    "dns": "the CA could not look the name up: check the zone's records and its DNSSEC from outside",
    "dnssec": "the zone's DNSSEC is broken as seen from the CA: check the DS record and the signatures",
    "incorrectResponse": f"something else answered the CA: {_OUTSIDE}",
    "unauthorized": f"something else answered the CA: {_OUTSIDE}",
    "tls": "the CA's TLS handshake with this host failed: check what answers on port 443",
    "externalAccountRequired": "set eab_kid and eab_hmac_key_file as the CA gave them to you",
    "invalidContact": "check the issuer's email",
    "invalidProfile": "check the issuer's profile",
    "badPublicKey": "choose another algorithm in the certificate's keys",
    "userActionRequired": "the CA wants a person to agree to something there, mostly new terms of service",
    "accountDoesNotExist": "the CA does not know the account: the next pass makes it anew",
}


LONGEST = 4000
"""Characters of a CA's words that are kept."""
_DETAIL, _WORD = 1000, 255
MOST_SUBPROBLEMS = 100
"""As many as an order has names, at the most generous CA."""


class Problem(NamedTuple):
    """One problem document."""

    status: int
    type: str
    detail: str
    identifier: str = ""
    """The name that it is about, in a subproblem."""
    subproblems: tuple[Problem, ...] = ()
    instance: str = ""

    @property
    def code(self) -> str:
        """The ACME error type without its URN prefix; the type itself where it is something else."""
        return self.type.removeprefix(PREFIX)

    def about(self, code: str) -> bool:
        """True if this or one of its subproblems is of type *code*."""
        return self.code == code or any(inner.about(code) for inner in self.subproblems)

    def __str__(self) -> str:
        """The CA's words on one line, with each name's own."""
        text = " ".join(self.detail.split()) or "no detail was given"
        code = f" ({self.code})" if self.code and self.code != "about:blank" else ""
        inner = "; ".join(
            f"{sub.identifier}: {sub}" if sub.identifier else str(sub) for sub in self.subproblems
        )
        where = f" <{self.instance}>" if self.instance else ""
        return shorten(text + code + where + (f": {inner}" if inner else ""))


class RefusedError(IssuerError):
    """The CA answered with a problem document, or an object of its carries one."""

    def __init__(self, what: str, problem: Problem, *, retry_after: float | None = None) -> None:
        super().__init__(
            f"{what}: {problem}", hint(problem), transient=not permanent(problem), retry_after=retry_after
        )
        self.problem = problem


class UnreachableError(IssuerError):
    """No answer, or none that makes sense: the other side, or what lies between, is at fault."""

    def __init__(self, message: str, hint: str | None = None, *, by_chance: bool = True) -> None:
        """*by_chance*: the next moment it may be otherwise."""
        super().__init__(message, hint)
        self.by_chance = by_chance


def shorten(text: str) -> str:
    """Return *text*, cut to `LONGEST` characters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def permanent(problem: Problem) -> bool:
    """True if trying again without changing the configuration cannot help."""
    leaves = problem.subproblems or (problem,)
    return all(leaf.code in PERMANENT for leaf in leaves)


def hint(problem: Problem) -> str | None:
    """Return what to do about the first problem that something is known about."""
    for candidate in (*problem.subproblems, problem):
        if candidate.code in HINTS:
            return HINTS[candidate.code]
    return None


def parse_problem(document: object, status: int, *, nested: bool = False) -> Problem | None:
    """Read a problem document; None if *document* is not one. Nothing in it is demanded but an object.

    *nested*: it is a subproblem, which has none itself (RFC 8555 §6.7.1).
    """
    if not isinstance(document, Mapping):
        return None
    kind, detail, title = (document.get(key) for key in ("type", "detail", "title"))
    if not isinstance(kind, str) and not isinstance(detail, str):
        return None
    inner = document.get("subproblems")
    if nested or not isinstance(inner, list):
        inner = []
    found = [parse_problem(sub, status, nested=True) for sub in inner[:MOST_SUBPROBLEMS]]
    identifier = document.get("identifier")
    named = identifier.get("value") if isinstance(identifier, Mapping) else ""
    return Problem(
        status=status,
        type=kind[:_WORD] if isinstance(kind, str) else "about:blank",
        detail=_text(detail if isinstance(detail, str) else title, LONGEST if not nested else _DETAIL),
        identifier=_text(named, _WORD),
        subproblems=tuple(sub for sub in found if sub),
        instance=_text(document.get("instance"), _WORD),
    )


def _text(value: object, longest: int) -> str:
    return value[:longest] if isinstance(value, str) else ""


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


MOST_LINKS = 16
"""Links of one relation: no CA has nearly as many alternate chains."""


def links(values: Iterable[str], relation: str) -> list[str]:
    """Return the targets of the first `MOST_LINKS` links of this *relation* in the fields *values*."""
    found: list[str] = []
    for value in values:
        at = 0
        while len(found) < MOST_LINKS:
            begin = value.find("<", at)
            end = value.find(">", begin) if begin >= 0 else -1
            if end < 0:
                break
            parameters, at = _parameters(value, end + 1)
            if relation in _relations(parameters):
                found.append(value[begin + 1 : end])
    return found


def _parameters(text: str, begin: int) -> tuple[list[str], int]:
    """Return the parameters of the link whose target ended before *begin*, and where the next link begins."""
    found: list[str] = []
    quoted = False
    at = begin
    while at < len(text):
        character = text[at]
        if character == '"':
            quoted = not quoted
        elif quoted and character == "\\":
            at += 1
        elif not quoted and character in ";,":
            found.append(text[begin:at])
            begin = at + 1
            if character == ",":
                return found, begin
        at += 1
    return [*found, text[begin:]], at


def _relations(parameters: list[str]) -> list[str]:
    """Return the relation types: those of the first rel count (RFC 8288 §3.3)."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "rel":
            return value.strip().strip('"').lower().split()
    return []


LONGEST_WAIT = 86400.0
"""Whoever is told to wait for longer asks again after a day: it costs the CA one request."""
_CHARACTERS = 64
"""A date has 29."""


def seconds_to_wait(value: str | None, date: str | None, now: datetime) -> float | None:
    """Return the seconds that *value* asks for, at most `LONGEST_WAIT`; None if it says nothing readable.

    A date is compared with the answer's own *date* where it has one, so that a clock that is
    wrong here does not lengthen or shorten the wait.
    """
    if not value or len(value) > _CHARACTERS:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    until = _moment(text)
    if until is None:
        return None
    since = _moment((date or "")[:_CHARACTERS]) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST_WAIT)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        # "-0000" and the asctime form carry no zone; HTTP dates are always UTC.
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
