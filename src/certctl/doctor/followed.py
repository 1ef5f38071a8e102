"""Pins of peers that certctl follows, held against the policy lines that Postfix goes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.doctor.finding import Finding, Place
from certctl.servers.map_source import Line, Table
from certctl.servers.policy_maps import adding, entries, uses
from certctl.servers.postfix import Postfix
from certctl.servers.postfix_parse import split_words


class FollowedLine(NamedTuple):
    """A line that certctl keeps in a policy map."""

    map: str
    peer: str
    nexthop: str
    """In lower case."""
    pins: tuple[str, ...]
    """SHA-256, "AA:BB:…", as its feed tells them."""


def check_followed(servers: Sequence[Postfix], followed: Sequence[FollowedLine]) -> Iterator[Finding]:
    """Find maps that no Postfix uses, and next-hops for which another line comes first."""
    for path in dict.fromkeys(line.map for line in followed) if servers else ():
        lines = [line for line in followed if line.map == path]
        using = [postfix for postfix in servers if uses(postfix, path)]
        if not using:
            peers = ", ".join(dict.fromkeys(line.peer for line in lines))
            yield Place(servers[0].subject, "postfix").warning(
                "peer-map-unused",
                f"{path} holds the pins of {peers}, but no smtp_tls_policy_maps names it",
                adding(servers[0], path),
            )
        for postfix in using:
            yield from _check_order(postfix, path, lines)


def _check_order(postfix: Postfix, path: str, lines: Sequence[FollowedLine]) -> Iterator[Finding]:
    first: dict[str, tuple[Table | None, Line]] = {}
    for table, entry in entries(postfix):
        first.setdefault(entry.key.lower(), (table, entry))
    for line in lines:
        if line.nexthop not in first:
            continue
        table, entry = first[line.nexthop]
        words = split_words(entry.value, ", \t\r\n")
        there = {part.upper() for word in words for part in word.removeprefix("match=").split("|")}
        missing = [pin for pin in line.pins if pin not in there]
        if not missing and table is not None and table.path == path:
            continue
        name = str(table) if table is not None else "an inline table"
        place = Place(f"postfix {name} line {entry.number}", "postfix")
        message = (
            f"{line.nexthop}: this line comes first, so what the feed of {line.peer} says does not count"
        )
        fix = f"delete line {entry.number} of {table.path if table else name}"
        fix += f", then postmap {table}" if table is not None and table.built else f", then {postfix.reload}"
        if missing:
            message += f", and it lacks {len(missing)} of {len(line.pins)} pins: mail may be deferred"
            yield place.error("peer-line-first", message, fix)
        else:
            yield place.warning("peer-line-first", message, fix)
