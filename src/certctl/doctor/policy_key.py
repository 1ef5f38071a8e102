"""Keys of the TLS policy table: next-hops, verbatim as the transport names them (TLS_README)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from certctl.doctor.finding import Finding, Place

_TRANSPORT = re.compile(r"(smtp|lmtp|relay|smtps|submission|error|local|virtual):", re.ASCII)
_NAME = re.compile(r"[^\s\[\]:@*/]+")
_SERVICE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class NextHop(NamedTuple):
    """A next-hop, taken apart."""

    host: str
    bracketed: bool
    port: str


def parse_next_hop(text: str) -> NextHop | None:
    """Take [host]:port, [host], host:port or host apart; None if it is none of these."""
    text = text.lower()
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or not host or (rest and not (rest[0] == ":" and _is_port(rest[1:]))):
            return None
        return NextHop(host, True, rest[1:])
    host, colon, port = text.partition(":")
    if not _NAME.fullmatch(host) or (colon and not _is_port(port)):
        return None
    return NextHop(host, False, port)


def check_key(place: Place, key: str) -> Iterator[Finding]:
    """Check one lookup key."""
    if key.endswith(":"):
        yield place.error(
            "policy-key",
            f"{key} ends with a colon, as in an alias file; it is never looked up",
            "take the colon away",
        )
    elif "*" in key:
        yield place.error(
            "policy-key",
            f"{key}: the table knows no wildcards, so it is never looked up",
            f"for all names below a domain write .{key.lstrip('*.')}",
        )
    elif "@" in key:
        yield place.error(
            "policy-key",
            f"{key}: policies belong to next-hops, not to addresses, so it is never looked up",
            f"write the recipient's domain: {key.rpartition('@')[2]}",
        )
    elif _TRANSPORT.match(key) and parse_next_hop(key.partition(":")[2]):
        yield place.error(
            "policy-key",
            f"{key}: the transport's name is no part of the next-hop, so it is never looked up",
            f"write only {key.partition(':')[2]}",
        )
    elif "/" not in key and parse_next_hop(key) is None:
        yield place.error(
            "policy-key",
            f"{key} is no next-hop",
            "one of example.org, .example.org, [mx.example.org], [mx.example.org]:587, [2001:db8::1]:25",
        )
    elif key.endswith("."):
        yield place.warning("policy-key", f"{key}: no next-hop ends with a dot", f"write {key.rstrip('.')}")


def check_used_forms(place: Place, keys: list[str], next_hops: list[str]) -> Iterator[Finding]:
    """Check that each next-hop of the configuration that the table means is in it in exactly that form.

    `[h]`, `[h]:25` and `h` are different keys: what stands under another form is never found.
    """
    present = {key.lower() for key in keys}
    hosts = {hop.host: key for key in keys if (hop := parse_next_hop(key))}
    for next_hop in dict.fromkeys(hop.lower() for hop in next_hops):
        parsed = parse_next_hop(next_hop)
        if parsed is None or next_hop in present or parsed.host not in hosts:
            continue
        if not parsed.bracketed and not parsed.port and _has_parent(parsed.host, present):
            continue
        yield place.warning(
            "policy-form",
            f"mail goes to {next_hop}, but the table only has {hosts[parsed.host]}, which is another key",
            f"write the policy under {next_hop} too, then run postmap",
        )


def _has_parent(host: str, keys: set[str]) -> bool:
    """Whether `.parent` of a bare name is a key: only bare names walk up."""
    parts = host.split(".")
    return any("." + ".".join(parts[at:]) in keys for at in range(1, len(parts)))


def _is_port(text: str) -> bool:
    if text.isdigit():
        return 0 < int(text) < 65536
    return _SERVICE.fullmatch(text) is not None
