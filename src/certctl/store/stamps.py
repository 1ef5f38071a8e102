"""What files looked like when their content was last compared: a cache, so that a pass need not read them.

A file whose size, modification and change times and inode are those of its stamp
still holds what it held then. The cache may be lost or thrown away at any time:
contents are compared again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from certctl.store import atomic
from certctl.system import files


class Stamps:
    """path -> (what it was made from, sha256, and the four numbers that show a change)."""

    def __init__(self, path: str, *, trust: bool = True) -> None:
        self._path = path
        self._entries: dict[str, list[Any]] = {}
        self._changed = False
        if trust:
            self._entries = _load(path)

    def digest(self, path: str, info: os.stat_result | None, token: str) -> str | None:
        """The sha256 of *path*, if it was made from *token* and nobody touched it since.

        "-" says that it is rightly not there.
        """
        entry = self._entries.get(path)
        if entry is None or entry[0] != token or entry[2:] != _numbers(info):
            return None
        digest: str = entry[1]
        return digest

    def record(self, path: str, info: os.stat_result | None, token: str, digest: str) -> None:
        self._entries[path] = [token, digest, *_numbers(info)]
        self._changed = True

    def vouches(self, name: str, paths: Sequence[str], token: str) -> bool:
        """Whether all of *paths* were right for *token*, and nobody touched any of them since."""
        entry = self._entries.get(name)
        return entry is not None and entry[0] == token and entry[1] == _all_numbers(paths)

    def record_all(self, name: str, paths: Sequence[str], token: str, digest: str = "") -> None:
        """All of *paths* are right for *token*; *digest* is for `content`."""
        self._entries[name] = [token, _all_numbers(paths), digest]
        self._changed = True

    def content(self, name: str, token: str) -> str:
        """The digest that was recorded with `record_all`, whatever became of the files since; "": none."""
        entry = self._entries.get(name)
        return entry[2] if entry is not None and len(entry) == 3 and entry[0] == token else ""

    def save(self) -> None:
        """Write the cache, if it changed."""
        if self._changed:
            atomic.replace_cache(self._path, json.dumps(self._entries, separators=(",", ":")).encode())
            self._changed = False


def _numbers(info: os.stat_result | None) -> list[int]:
    if info is None:
        return [0, 0, 0, 0]
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def _all_numbers(paths: Sequence[str]) -> list[int]:
    numbers: list[int] = []
    for path in paths:
        info = files.info(path)
        if info is None:
            numbers.append(0)
        else:
            numbers += (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    return numbers


def _load(path: str) -> dict[str, list[Any]]:
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    return {path: entry for path, entry in data.items() if _is_entry(entry)}


def _is_entry(entry: Any) -> bool:
    """Whether it is what `record` (six) or `record_all` (three) made."""
    if not isinstance(entry, list) or len(entry) not in (3, 6):
        return False
    kinds = (str, int) if len(entry) == 6 else (list, str)
    return isinstance(entry[1], kinds[0]) and isinstance(entry[2], kinds[1])
