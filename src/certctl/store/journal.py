"""journal.jsonl: what happened, one JSON object a line, for people. The planner never reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from certctl.errors import StoreError
from certctl.planning.times import rfc3339
from certctl.store import atomic
from certctl.system import files
from certctl.system.text import bounded, to_json

MOST_BYTES = 4 * 1024 * 1024
"""A longer journal is set aside as journal.jsonl.1, and the one before goes."""


def record(journal: str, now: datetime, event: str, subject: str, **details: Any) -> None:
    """Append one event. Empty details are left out. Raises `StoreError`."""
    line: dict[str, Any] = {"at": rfc3339(now), "event": event, "subject": subject}
    for name, value in details.items():
        if value not in (None, "", [], ()):
            line[name] = bounded(value) if isinstance(value, str) else value
    there = files.info(journal)
    if there is not None and there.st_size > MOST_BYTES:
        atomic.move(journal, journal + ".1")
    atomic.append_line(journal, to_json(line).encode())


def read(path: str) -> Iterator[dict[str, Any]]:
    """The events, oldest first; a line that is not one of ours, or was cut short, is passed over.

    Raises StoreError for a journal that cannot be read.
    """
    for name in (path + ".1", path):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                yield from filter(None, map(_event, file))
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StoreError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from error


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
        # Half of a surrogate pair can be escaped in JSON, and not be printed.
        json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "at" in event else None
