"""What is believed of one peer: STATE_DIR/peers/NAME.json, the last good feed and how it went since."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from certctl.errors import CertctlError, StateError, StoreError
from certctl.planning import feed
from certctl.planning.feed import FeedEntry
from certctl.planning.state import Failure
from certctl.planning.times import parse_rfc3339, rfc3339
from certctl.store import atomic
from certctl.system import files

VERSION = 1


class Known(NamedTuple):
    """One peer. Without a feed that was ever accepted, *serial* is 0 and *entries* is empty."""

    configured_key: str = ""
    """The key that the configuration had then."""
    key: str = ""
    """The one that is trusted now: the same, or what it handed over to."""
    place: str = ""
    etag: str | None = None
    serial: int = 0
    payload_sha256: str = ""
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    accepted_at: datetime | None = None
    checked_at: datetime | None = None
    entries: tuple[FeedEntry, ...] = ()
    failure: Failure | None = None


def path(state_dir: str, name: str) -> str:
    return os.path.join(state_dir, "peers", f"{name}.json")


def load(state_dir: str, name: str) -> Known | None:
    """What is remembered; None where nothing ever was.

    Raises UnreadableError for what cannot be read, or a newer certctl wrote, StateError for what is damaged:
    neither may be taken for a peer that is new.
    """
    place = path(state_dir, name)
    data = files.read_file(place)
    if data is None:
        return None
    try:
        document = json.loads(data)
        files.refuse_newer(document, place)
        return _decode(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(f"{place} is damaged") from error


def save(state_dir: str, known: Mapping[str, Known]) -> dict[str, CertctlError]:
    """Durably keep what is *known* of each peer, together; by name, what could not be kept."""
    try:
        atomic.make_directory(os.path.join(state_dir, "peers"))
    except StoreError as error:
        return dict.fromkeys(known, error)
    batches = [atomic.Batch().file(path(state_dir, name), _text(one), 0o600) for name, one in known.items()]
    failures = zip(known, atomic.commit_all(batches), strict=True)
    return {name: failure for name, failure in failures if failure is not None}


def _text(known: Known) -> bytes:
    return json.dumps(_encode(known), indent=1, ensure_ascii=False).encode() + b"\n"


def _encode(known: Known) -> dict[str, Any]:
    moments = ("issued_at", "expires_at", "accepted_at", "checked_at")
    return {
        "version": VERSION,
        **{name: getattr(known, name) for name in Known._fields if name not in moments},
        **{name: _out(getattr(known, name)) for name in moments},
        "entries": [_entry(entry) for entry in known.entries],
        "failure": None if known.failure is None else _failure(known.failure),
    }


def _decode(data: Mapping[str, Any]) -> Known:
    failure = data["failure"]
    return Known(
        str(data["configured_key"]),
        str(data["key"]),
        str(data["place"]),
        data["etag"] if isinstance(data["etag"], str) else None,
        int(data["serial"]),
        str(data["payload_sha256"]),
        _in(data["issued_at"]),
        _in(data["expires_at"]),
        _in(data["accepted_at"]),
        _in(data["checked_at"]),
        entries=feed.entries(data["entries"]),
        failure=None
        if failure is None
        else Failure(
            "write",
            str(failure["subject"]),
            str(failure["message"]),
            failure["hint"] if isinstance(failure["hint"], str) else None,
            parse_rfc3339(failure["at"]),
            int(failure["attempts"]),
            _in(failure["retry_at"]),
            str(failure["basis"]),
        ),
    )


def _entry(entry: FeedEntry) -> dict[str, Any]:
    pins = [
        {**pin._asdict(), "made_at": _out(pin.made_at), "served_from": _out(pin.served_from)}
        for pin in entry.pins
    ]
    return {**entry._asdict(), "pins": pins}


def _failure(failure: Failure) -> dict[str, Any]:
    return {**failure._asdict(), "at": _out(failure.at), "retry_at": _out(failure.retry_at)}


def _out(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _in(text: Any) -> datetime | None:
    return None if text is None else parse_rfc3339(text)
