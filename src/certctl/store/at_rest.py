"""That there is nothing to do until a moment, and what everything looked like when that was found.

A pass that found nothing to do would find nothing again, until the clock says so or
one of the files that it depends on changes. Which these are is not picked by hand:
all of the state directory, the configuration, certctl itself and every configured
file. A file is unchanged if its size, its modification and change times and its
inode are (as for `store.stamps`). It is a cache, and may be thrown away at any time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from certctl.store import atomic
from certctl.store.layout import Layout

VERSION = 1
TICK = 100_000_000
"""Nanoseconds: what changed this shortly before a look may have changed once more with the same times."""
LONGEST = 86400.0
"""Seconds: once a day a pass looks at everything, the clock too."""
_OURS = ("cache", "clock.json", "journal.jsonl", "lock", "stamps.json")


class AtRest(NamedTuple):
    """Nothing to do, as long as *paths* have their *numbers*."""

    made_for: str
    """Which certctl found it, for which configuration, as whom."""
    made_at: float
    """Seconds since the epoch."""
    until: float | None
    """Seconds since the epoch; None: for ever."""
    paths: list[str]
    numbers: list[int]
    """Four for each path."""


def holds(layout: Layout, made_for: str, now: float) -> AtRest | None:
    """What was found, if it still holds at *now*."""
    found = _load(layout.at_rest)
    if found is None or found.made_for != made_for or not 0 <= now - found.made_at < LONGEST:
        return None
    if found.until is not None and now >= found.until:
        return None
    return found if numbers(found.paths) == found.numbers else None


def keep(layout: Layout, made_for: str, outside: Iterable[str], until: float | None, looked_at: int) -> bool:
    """Keep that there is nothing to do, and whether that may be relied on.

    *outside*: the files beyond the state directory, which are all there; *looked_at*:
    nanoseconds since the epoch at which looking began. What changed after that, or
    is reached through links that lead elsewhere, was perhaps not seen: nothing is kept.
    """
    try:
        paths = [*dict.fromkeys(outside), *_state(layout.root)]
        infos = [os.lstat(path) for path in paths]
    except OSError:
        return False
    if any(info.st_ctime_ns > looked_at - TICK for info in infos):
        return False
    data = {
        "version": VERSION,
        "made_for": made_for,
        "made_at": looked_at / 1e9,
        "until": until,
        "paths": paths,
        "numbers": [number for info in infos for number in _numbers(info)],
    }
    atomic.replace_cache(layout.at_rest, json.dumps(data, separators=(",", ":")).encode())
    return True


def numbers(paths: Iterable[str]) -> list[int] | None:
    """The four numbers of each path that show a change; None where one of them is not there."""
    found: list[int] = []
    look = os.lstat
    try:
        for path in paths:
            info = look(path)
            found += (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    except (OSError, ValueError, TypeError):
        return None
    return found


def _numbers(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino


def _state(root: str) -> Iterator[str]:
    """Every file, directory and link of the state directory but what passes write at any time."""
    yield root
    with os.scandir(root) as entries:
        top = [entry for entry in entries if not entry.name.startswith(_OURS)]
    for entry in top:
        yield from _below(entry, os.path.realpath(root))


def _below(entry: os.DirEntry[str], root: str) -> Iterator[str]:
    yield entry.path
    if entry.is_symlink() and not os.path.realpath(entry.path).startswith(f"{root}/"):
        raise OSError(f"{entry.path} leads elsewhere")
    if entry.is_dir(follow_symlinks=False):
        with os.scandir(entry.path) as entries:
            inner = list(entries)
        for one in inner:
            yield from _below(one, root)


def _load(path: str) -> AtRest | None:
    try:
        with open(path, "rb") as file:
            data: Any = json.loads(file.read())
        if data["version"] != VERSION:
            return None
        found = AtRest(*(data[name] for name in AtRest._fields))
        # Whatever else is damaged is equal to nothing that is there.
        kinds = (isinstance(found.made_at, float), isinstance(found.until, float | None))
        if not all(kinds) or not found.paths or not isinstance(found.numbers, list):
            return None
        return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
