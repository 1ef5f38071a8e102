"""Protocol lists as Postfix reads them (tls_proto_mask_lims(), postconf(5) smtpd_tls_protocols)."""

from __future__ import annotations

import re

from certctl.doctor.protocols import VERSIONS, at_least

_SEPARATORS = re.compile(r"[\s,:]+")
_NAMES = {version.lower(): version for version in VERSIONS}
_FLOOR = (3, 6)
"""Postfix that knows >= and <=."""


def syntax_error(value: str, version: tuple[int, ...] = ()) -> str:
    """Say what is wrong with a protocol list; empty: nothing. *version* of Postfix, empty: today's."""
    for word in _words(value):
        if word.startswith((">=", "<=")):
            if version and version < _FLOOR:
                return f"{word} needs Postfix 3.6"
            if not _is_version(word[2:]):
                return f"{word} names no protocol version"
        elif word.removeprefix("!").lower() not in _NAMES:
            return f"{word} is no protocol"
    return ""


def enabled_protocols(value: str) -> frozenset[str]:
    """Return what a valid protocol list leaves on."""
    included: set[str] = set()
    excluded: set[str] = set()
    for word in _words(value):
        if word.startswith(">="):
            excluded |= set(VERSIONS) - at_least(word[2:])
        elif word.startswith("<="):
            excluded |= at_least(word[2:]) - {_NAMES.get(word[2:].lower(), "")}
        elif word.startswith("!"):
            excluded.add(_NAMES.get(word[1:].lower(), ""))
        else:
            included.add(_NAMES.get(word.lower(), ""))
    return frozenset((included or set(VERSIONS)) - excluded)


def _words(value: str) -> list[str]:
    return [word for word in _SEPARATORS.split(value) if word]


def _is_version(text: str) -> bool:
    return (
        text.lower() in {*_NAMES, "none"} - {"sslv2"}
        or re.fullmatch(r"(0[xX])?[0-9A-Fa-f]+", text) is not None
    )
