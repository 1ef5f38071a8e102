"""The clock's file: when the time of day was last believed (docs/state.md)."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any

from certctl.planning.clock import Mark, Marks
from certctl.planning.times import UTC, parse_rfc3339, rfc3339
from certctl.store import atomic
from certctl.store.layout import Layout
from certctl.system.files import entries, read_file, refuse_newer, unreadable

VERSION = 1
_LARGEST = 10**12


def load(layout: Layout) -> Marks | None:
    """What is remembered; where that is lost, what file times tell; None: there is no state yet.

    Raises UnreadableError.
    """
    data = read_file(layout.clock)
    if data is not None:
        try:
            top: Any = json.loads(data)
            refuse_newer(top, layout.clock)
            if top["version"] == VERSION:
                later = top.get("doubtful")
                return Marks(_mark(top["sure"]), None if later is None else _mark(later))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
    return _by_files(layout)


def save(layout: Layout, marks: Marks) -> None:
    """Remember *marks*. It may be lost in a power cut: then file times tell as much."""
    out = {
        "version": VERSION,
        "sure": _out(marks.sure),
        "doubtful": None if marks.doubtful is None else _out(marks.doubtful),
    }
    atomic.replace_cache(layout.clock, json.dumps(out).encode())


def _by_files(layout: Layout) -> Marks | None:
    """The newest change in the state: every change renames something into one of these, or adds a line."""
    times = []
    for path in (layout.states, layout.journal):
        try:
            times.append(os.stat(path).st_mtime)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(error, path) from error
    if not times or not entries(layout.states):
        return None
    return Marks(Mark(datetime.fromtimestamp(max(times), UTC)))


def _mark(data: Any) -> Mark:
    boot, up = data["boot"], data["uptime"]
    if not isinstance(boot, str) or type(up) not in (int, float) or not 0 <= up < _LARGEST:
        raise ValueError("not a mark")
    return Mark(parse_rfc3339(data["at"]), boot, up)


def _out(mark: Mark) -> dict[str, object]:
    return {"at": rfc3339(mark.at), "boot": mark.boot, "uptime": round(mark.uptime, 3)}
