"""Problem documents (RFC 7807, RFC 8555 §6.7): the CA's own words, kept whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
