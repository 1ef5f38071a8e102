"""match= of the TLS policy table: pins at the level fingerprint, names at verify and secure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from certctl.doctor.finding import Finding, Place

LENGTHS = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}
"""Bytes of the digests that somebody could have pinned with."""
_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*")
_WORDS = ("hostname", "nexthop", "dot-nexthop")
_LABEL = re.compile(
    r"[A-Za-z0-9_\u0080-\U0010ffff]([A-Za-z0-9_\u0080-\U0010ffff-]*[A-Za-z0-9_\u0080-\U0010ffff])?"
)


def pin_bytes(pin: str) -> int | None:
    """Return how many bytes a pin (hex, pairs may be joined by colons) has; None if it is none."""
    return len(pin.replace(":", "")) // 2 if _PAIRS.fullmatch(pin) else None


def peers_pins(nexthop: str, digest: str) -> str:
    """How to come by the fingerprints of a peer, which are the ones that its entry needs."""
    if digest != "sha256":
        there = f"with certctl there: certctl fingerprints --digest {digest}"
        return f"ask the peer for its {digest} fingerprints ({there})"
    host, _, port = nexthop.removeprefix("[").partition("]")
    where = f"smtp://{host}{port}" if nexthop.startswith("[") and ":" not in host else "smtp://PEER"
    return f"certctl probe {where} prints what the peer serves: compare that with what the peer tells you"


def check_pins(
    place: Place, key: str, pins: Sequence[str], digest: str, default: str, colons_are_optional: bool
) -> Iterator[Finding]:
    """Check the pins of one entry, or the *default* ones where it has none.

    What is no hex is passed over with a warning in the log; where none is left, mail is deferred. A pin of
    another length than *digest*'s is no error to Postfix: it just never matches.
    """
    pins = pins or re.split(r"[\s,]+", default.strip())
    usable, counts = 0, any(pin_bytes(pin) == LENGTHS.get(digest) for pin in pins)
    for pin in pins:
        length = pin_bytes(pin)
        if length is None:
            if pin:
                yield place.warning(
                    "policy-pin-malformed",
                    f"{key}: {_short(pin)} is no fingerprint, and is passed over",
                    f"pairs of hex digits joined by colons; {peers_pins(key, digest)}",
                )
            continue
        usable += 1
        yield from _check_length(place, key, pin, length, digest, counts)
        if ":" not in pin and not colons_are_optional:
            yield place.warning(
                "policy-pin-malformed",
                f"{key}: {_short(pin)}: before Postfix 3.6 a pin without colons never matches",
                "join the pairs by colons",
            )
    if not usable:
        yield place.error(
            "policy-no-pin",
            f"{key}: fingerprint without a usable pin: mail is deferred with 4.7.5",
            f"{peers_pins(key, digest)}; then write {key} fingerprint match=AA:BB:…",
        )


def _check_length(
    place: Place, key: str, pin: str, length: int, digest: str, counts: bool
) -> Iterator[Finding]:
    """Check one pin; *counts*: there is another one in its entry that is of *digest*."""
    if length == LENGTHS.get(digest, length):
        return
    made_with = next((name for name, size in LENGTHS.items() if size == length), None)
    if counts and made_with:
        yield place.info(
            "policy-pin-length",
            f"{key}: {_short(pin)} is of {made_with}, but the digest is {digest}: only others count",
            f"leave it for the day when the digest is {made_with}, or delete it",
        )
        return
    said = f"of {made_with}" if made_with else "cut off, or joined with something"
    yield place.error(
        "policy-pin-length",
        f"{key}: {_short(pin)} has {length} bytes ({said}), but the digest is {digest}: it never matches",
        peers_pins(key, digest),
    )


def check_names(place: Place, key: str, level: str, value: str) -> Iterator[Finding]:
    """Check the names of one entry at verify or secure."""
    if "|" in value:
        yield place.error(
            "policy-separator",
            f"{key}: names are separated by colons, not by |: match={value} never matches",
            f"match={value.replace('|', ':')}",
        )
        return
    for name in value.split(":"):
        if name in _WORDS or not name:
            continue
        if name.startswith("*."):
            yield place.error(
                "policy-match",
                f"{key}: match={name}: wildcards are not known, it never matches",
                f"match={name[1:]}",
            )
        elif not all(_LABEL.fullmatch(label) for label in name.removeprefix(".").split(".")):
            fix = (
                "for pins use the level fingerprint"
                if len(value) > 40
                else "a domain, .domain, or " + ", ".join(_WORDS)
            )
            yield place.error("policy-match", f"{key}: match={name} is no name", fix)
        elif len(name) == 2 and len(value) > 40:
            yield place.error(
                "policy-match",
                f"{key}: match= looks like a fingerprint, but at {level} it is a list of names",
                f"write {key} fingerprint match={value[:11]}…",
            )
            return


def _short(pin: str) -> str:
    return pin if len(pin) <= 26 else f"{pin[:23]}…"
