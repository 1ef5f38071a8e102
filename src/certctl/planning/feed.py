"""What a feed says: the payload of the signed file by which hosts tell each other their pins."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certctl.planning.pins import Announced
from certctl.planning.state import SLOTS
from certctl.planning.times import parse_rfc3339, rfc3339

VERSION = 1
KIND = "certctl-pins"
HANDOVER = "certctl-feed-key"
DIGESTS = ("sha256", "sha1", "md5")
LARGEST = 1 << 20
"""Bytes of a feed; 1,000 certificates take about half of that."""
MOST_HANDOVERS = 32

_SHA256 = re.compile(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}")
_KEY = re.compile(r"p256:([A-Za-z0-9_-]{86})")


class MalformedFeedError(ValueError):
    """The payload is not what certctl writes."""


class FeedPin(NamedTuple):
    """One pin of one slot."""

    slot: str
    generation: int
    algorithm: str
    sha256: str
    made_at: datetime | None = None
    served_from: datetime | None = None


class FeedEntry(NamedTuple):
    """One certificate."""

    name: str
    names: tuple[str, ...]
    nexthops: tuple[str, ...]
    pin: str
    hold_down: float
    pins: tuple[FeedPin, ...]

    def of_slot(self, slot: str) -> frozenset[str]:
        return frozenset(pin.sha256 for pin in self.pins if pin.slot == slot)


class Feed(NamedTuple):
    """A whole feed."""

    serial: int
    issued_at: datetime
    expires_at: datetime
    entries: tuple[FeedEntry, ...]
    handovers: tuple[str, ...] = ()
    """Compact JWS in which a former feed key names the next one, oldest first."""


def entry_document(entry: Announced) -> dict[str, Any]:
    """What a feed says of one certificate."""
    return {
        "name": entry.certificate,
        "names": list(entry.names),
        "nexthops": list(entry.nexthops),
        "pin": entry.pin,
        "hold_down": entry.hold_down,
        "pins": [
            {
                "slot": pin.slot,
                "generation": pin.generation,
                "algorithm": pin.algorithm,
                **{name: pin.digest(name) for name in DIGESTS},
                "made_at": pin.made_at and rfc3339(pin.made_at),
                "served_from": pin.served_from and rfc3339(pin.served_from),
            }
            for pin in entry.pins
        ],
    }


def payload(
    entries: Iterable[Mapping[str, Any]],
    *,
    serial: int,
    issued_at: datetime,
    expires_at: datetime,
    handovers: Iterable[str] = (),
) -> bytes:
    """The payload to be signed."""
    document = {
        "version": VERSION,
        "kind": KIND,
        "serial": serial,
        "issued_at": rfc3339(issued_at),
        "expires_at": rfc3339(expires_at),
        "digests": list(DIGESTS),
        "certificates": list(entries),
        "handovers": list(handovers),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


def parse(data: bytes) -> Feed:
    """Read a payload whose signature is right. Raises MalformedFeedError: a signature promises no form."""
    top = _object(_json(data))
    if top.get("kind") != KIND:
        raise MalformedFeedError(f"it is a {top.get('kind')!r}, not a feed of pins")
    if top.get("version") != VERSION:
        raise MalformedFeedError(f"it has version {top.get('version')!r}, known is {VERSION}")
    serial = top.get("serial")
    if not isinstance(serial, int) or isinstance(serial, bool) or not 0 < serial < 2**63:
        raise MalformedFeedError("its serial is no number")
    if "sha256" not in _texts(top.get("digests")):
        raise MalformedFeedError("it holds no sha256 digests")
    feed = Feed(
        serial,
        _moment(top.get("issued_at")),
        _moment(top.get("expires_at")),
        entries(top.get("certificates")),
        _texts(top.get("handovers", []))[-MOST_HANDOVERS:],
    )
    if feed.expires_at <= feed.issued_at:
        raise MalformedFeedError("it ends before it begins")
    return feed


def entries(value: Any) -> tuple[FeedEntry, ...]:
    """Read the certificates of a feed. Raises MalformedFeedError."""
    found = tuple(_entry(_object(item)) for item in _list(value))
    if len({entry.name for entry in found}) != len(found):
        raise MalformedFeedError("it tells of one certificate twice")
    return found


def key_text(point: bytes) -> str:
    """A feed's public key on one line; *point*: its two coordinates, 32 bytes each."""
    return f"p256:{base64.urlsafe_b64encode(point).rstrip(b'=').decode()}"


def key_point(text: str) -> bytes:
    """The inverse of `key_text`. Raises ValueError."""
    found = _KEY.fullmatch(text.strip())
    if not found:
        raise ValueError("it is not what certctl announce --key prints: p256: and 86 characters")
    return base64.urlsafe_b64decode(found[1] + "==")


def host_of(nexthop: str) -> str:
    """The host or domain of a next-hop such as "[mx.example.org]:25", in lower case."""
    inner = nexthop[1:].partition("]")[0] if nexthop.startswith("[") else nexthop.partition(":")[0]
    return inner.lower()


def entries_for(found: Iterable[FeedEntry], nexthop: str) -> list[FeedEntry]:
    """The certificates that may be met at *nexthop*.

    Those that list it; else those with its host among their names; else, for a
    domain without brackets, those with a name below the domain.
    """
    host, every = host_of(nexthop), list(found)
    listed = [entry for entry in every if nexthop in entry.nexthops]
    named = [entry for entry in every if host in entry.names]
    below = [entry for entry in every if any(name.endswith(f".{host}") for name in entry.names)]
    return listed or named or ([] if nexthop.startswith("[") else below)


def _entry(item: Mapping[str, Any]) -> FeedEntry:
    hold_down = item.get("hold_down", 0)
    if not isinstance(hold_down, int | float) or isinstance(hold_down, bool) or not 0 <= hold_down < 1e10:
        raise MalformedFeedError("a hold_down is no number of seconds")
    return FeedEntry(
        _text(item.get("name")),
        tuple(name.lower() for name in _texts(item.get("names"))),
        _texts(item.get("nexthops")),
        _text(item.get("pin")),
        float(hold_down),
        tuple(_pin(_object(pin)) for pin in _list(item.get("pins"))),
    )


def _pin(item: Mapping[str, Any]) -> FeedPin:
    sha256, generation = _text(item.get("sha256")), item.get("generation", 0)
    if not _SHA256.fullmatch(sha256):
        raise MalformedFeedError(f"{sha256[:100]!r} is no sha256 fingerprint")
    if item.get("slot") not in SLOTS:
        raise MalformedFeedError(f"{str(item.get('slot'))[:40]!r} is no slot")
    if not isinstance(generation, int):
        raise MalformedFeedError("a generation is no number")
    moments = [item.get(name) for name in ("made_at", "served_from")]
    return FeedPin(
        _text(item.get("slot")),
        generation,
        _text(item.get("algorithm")),
        sha256,
        *(None if moment is None else _moment(moment) for moment in moments),
    )


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedFeedError("its payload is no JSON") from error


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedFeedError("an object is missing")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedFeedError("a list is missing")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 65536 or not value.isprintable():
        raise MalformedFeedError("a text is missing")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _moment(value: Any) -> datetime:
    try:
        return parse_rfc3339(_text(value))
    except ValueError as error:
        raise MalformedFeedError("a moment is missing") from error
