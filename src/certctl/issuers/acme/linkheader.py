"""The Link header field (RFC 8288), read once from left to right: a CA may send whatever it likes."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 16
"""Links of one relation: no CA has nearly as many alternate chains."""


def links(values: Iterable[str], relation: str) -> list[str]:
    """Return the targets of the first `MOST` links of this *relation* in the fields *values*."""
    found: list[str] = []
    for value in values:
        at = 0
        while len(found) < MOST:
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
