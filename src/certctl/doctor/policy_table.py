"""The TLS policy table (TLS_README, "Policy table"; smtp_tls_policy.c): every line, as Postfix will read it.

An entry that Postfix does not understand is no small matter: it defers all mail to that next-hop with 4.7.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certctl.doctor.finding import Finding, Place
from certctl.doctor.policy_attributes import DANE_LEVELS, NAMES_LEVELS, Rules, check_attributes
from certctl.doctor.policy_key import check_key
from certctl.doctor.postfix_tls import CLIENT_LEVELS
from certctl.servers.map_source import Line
from certctl.servers.postfix_parse import split_words


def check_policy(place: Place, lines: Sequence[Line], rules: Rules) -> Iterator[Finding]:
    """Check every entry of a policy table; *place* names the table."""
    seen: dict[str, int] = {}
    for line in lines:
        here = Place(f"{place.subject} line {line.number}", place.prefix)
        yield from check_key(here, line.key)
        # Keys are folded (DICT_FLAG_FOLD_FIX).
        folded = line.key.lower()
        if folded in seen:
            yield here.warning(
                "policy-duplicate",
                f"{line.key} is there already in line {seen[folded]}, and only the first one counts",
                f"delete line {line.number} or line {seen[folded]}, then run postmap",
            )
        seen.setdefault(folded, line.number)
        yield from _check_continuation(here, line)
        yield from _check_value(here, line, rules)


def _check_continuation(place: Place, line: Line) -> Iterator[Finding]:
    for number, text in line.continued:
        words = text.split()
        if len(words) > 1 and words[1].lower() in CLIENT_LEVELS:
            yield place.error(
                "policy-continuation",
                f"line {number} begins with white space, so it belongs to line {line.number}: {text.strip()}",
                f"take the white space at the start of line {number} away, then run postmap",
            )


def _check_value(place: Place, line: Line, rules: Rules) -> Iterator[Finding]:
    if not line.value:
        yield place.error(
            "policy-no-value",
            f"{line.key} has no policy: postmap passes over the line",
            f"write a level after it: {line.key} encrypt",
        )
        return
    level, *attributes = split_words(line.value, ", \t\r\n") or [""]
    level = level.lower()
    if level not in CLIENT_LEVELS:
        yield place.error(
            "policy-level",
            f"{line.key}: {level or 'nothing'} is no level: mail is deferred with 4.7.5",
            f"one of {', '.join(CLIENT_LEVELS)}",
        )
        return
    if level == "none":
        yield from _check_ignored(place, line, attributes)
        return
    if level in DANE_LEVELS and not rules.dnssec:
        yield place.error(
            "policy-dane-no-dnssec",
            f"{line.key}: {level} does nothing without DNSSEC",
            "postconf -e smtp_dns_support_level=dnssec; postfix reload",
        )
    parsed: list[tuple[str, str]] = []
    for word in attributes:
        # smtp_tls_policy.c reads braces since 3.10; before, each word in them stands for itself.
        pair = _split(word) if rules.knows(3, 10) or not word.startswith("{") else None
        if pair is None:
            yield _malformed(place, line, level, word)
            return
        parsed.append(pair)
    yield from check_attributes(place, line.key, level, parsed, rules)


def _check_ignored(place: Place, line: Line, attributes: Sequence[str]) -> Iterator[Finding]:
    if not attributes:
        return
    if any(word.lower() in CLIENT_LEVELS for word in attributes):
        why, fix = (
            "a line feed is missing: several entries stand in one line",
            "write each entry on a line of its own",
        )
    else:
        why, fix = "attributes mean nothing without TLS", f"leave only: {line.key} none"
    yield place.warning("policy-ignored", f"{line.key} none: {' '.join(attributes)} is ignored: {why}", fix)


def _split(word: str) -> tuple[str, str] | None:
    """Return name and value of `name=value` or `{ name = value }`; None if it is neither."""
    if word.startswith("{"):
        if not word.endswith("}"):
            return None
        word = word[1:-1].strip()
    name, equals, value = word.partition("=")
    name = name.strip()
    return (name.lower(), " ".join(value.split())) if equals and name and " " not in name else None


def _malformed(place: Place, line: Line, level: str, word: str) -> Finding:
    fix = "name=value, without white space around ="
    if word.startswith("#"):
        fix = "a comment needs a line of its own that begins with #"
    elif word.startswith("{"):
        fix = "name=value, without white space around =; { name = value } needs Postfix 3.10"
    elif level == "fingerprint":
        fix = "separate pins by |, or repeat match=: fingerprint match=AA:BB…|CC:DD…"
    elif level in NAMES_LEVELS:
        fix = "separate names by colons: secure match=a.example.org:.example.org"
    return place.error(
        "policy-malformed", f"{line.key}: {word!r} is no name=value: mail is deferred with 4.7.5", fix
    )
