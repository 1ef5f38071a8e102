"""Ways to damage files: cut, emptied, overwritten, edited as JSON, exchanged."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Path_ = tuple[str | int, ...]

DEEP = "[" * 100_000
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    2,
    3,
    7,
    -1,
    10**9,
    10**30,
    2.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x00",
    "\ud800",
    "../../../etc",
    "a" * 5000,
    "forced",
    "wanted",
    "ecdsa-p384",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "1970-01-01T00:00:00Z",
    "2300-01-01T00:00:00Z",
    [],
    {},
    [[[[]]]],
    {"number": 1},
)
"""What a value is replaced by: other types, extremes, and words that mean something elsewhere."""

GARBAGE: tuple[bytes, ...] = (
    b"",
    b"\n",
    b"\x00" * 512,
    b"\xff\xfe\x00\x01",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"1" * 5000,
    b"{" * 50,
    DEEP.encode(),
    b'{"version": 1}',
    b'{"version": 0, "name": "mx1"}',
    b'{"at": "yesterday", "event": "\\ud800"}',
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
)


class Edit(NamedTuple):
    """One change of a JSON document: *kind* at the place number *at*, with *value* or the place *other*."""

    kind: str
    at: int
    other: int
    value: Any


def places(document: Any, so_far: Path_ = ()) -> Iterator[Path_]:
    """Every place in a document but its top."""
    inner: Any = ()
    if isinstance(document, dict):
        inner = document.items()
    elif isinstance(document, list):
        inner = enumerate(document)
    for key, value in inner:
        yield (*so_far, key)
        yield from places(value, (*so_far, key))


def edited(document: Any, edits: list[Edit]) -> Any:
    """A copy of *document* with *edits* made, as far as there are such places."""
    document = copy.deepcopy(document)
    for edit in edits:
        there = list(places(document))
        if not there:
            return document
        at, other = there[edit.at % len(there)], there[edit.other % len(there)]
        if edit.kind == "replace":
            _put(document, at, copy.deepcopy(edit.value))
        elif edit.kind == "delete":
            parent = _get(document, at[:-1])
            del parent[at[-1]]
        elif edit.kind == "swap" and at[: len(other)] != other and other[: len(at)] != at:
            first, second = _get(document, at), _get(document, other)
            _put(document, at, second)
            _put(document, other, first)
        elif edit.kind == "copy":
            _put(document, at, copy.deepcopy(_get(document, other)))
    return document


def _get(document: Any, path: Path_) -> Any:
    for key in path:
        document = document[key]
    return document


def _put(document: Any, path: Path_, value: Any) -> None:
    _get(document, path[:-1])[path[-1]] = value


def rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace the JSON in *path* by what *change* makes of it."""
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def exchange(one: Path, other: Path) -> None:
    """Let two files change places."""
    spare = one.with_name("spare")
    os.rename(one, spare)
    os.rename(other, one)
    os.rename(spare, other)
