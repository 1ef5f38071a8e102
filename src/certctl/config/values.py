"""Parsers of single values: from what TOML gave to what the spec holds, or `BadValueError`."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

from certctl.config.problems import BadValueError, not_one_of

T = TypeVar("T")
Parser = Callable[[object], object]

_FORBIDDEN_SUFFIXES = (".certctl-tmp", ".tmp", ".lock", ".json", ".jsonl", ".pem")
_FILE_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")
LONGEST_NAME = 200


def text(value: object) -> str:
    """Take one line of printable characters."""
    if not isinstance(value, str):
        raise BadValueError
    if not value:
        raise BadValueError("must not be empty")
    if not value.isprintable():
        raise BadValueError("holds a control character", value)
    return value


def flag(value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise BadValueError
    return value


def integer(low: int, high: int) -> Parser:
    """Take a whole number from *low* to *high*."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadValueError
        if not low <= value <= high:
            raise BadValueError(f"must be from {low} to {high}", value)
        return value

    return parse


def choice(words: Sequence[str]) -> Callable[[object], str]:
    """Take one of *words*."""
    known = frozenset(words)

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise BadValueError
        if value not in known:
            raise BadValueError(not_one_of(value, words), value)
        return value

    return parse


def listed(
    element: Callable[[object], T], *, empty: bool = True, single: bool = True, unique: bool = True
) -> Callable[[object], tuple[T, ...]]:
    """Take a list, each element by *element*; *single*: one element may stand without brackets."""

    def parse(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            if not single or isinstance(value, dict):
                raise BadValueError
            value = [value]
        found: list[T] = []
        faults: list[tuple[str, object]] = []
        for item in value:
            try:
                found.append(element(item))
            except BadValueError as bad:
                faults += bad.faults
        if unique and len(found) > 1 and len(set(found)) != len(found):
            twice = {item: None for index, item in enumerate(found) if item in found[:index]}
            faults += [("is there twice", item) for item in twice]
        if faults:
            raise BadValueError.of(faults)
        if not found and not empty:
            raise BadValueError("must not be empty")
        return tuple(found)

    return parse


def repeated(parse: Callable[[object], tuple[str, ...]]) -> Callable[[object], tuple[str, ...]]:
    """Remember what lists of texts *parse* took: a thousand certificates mostly say the same."""
    known: dict[tuple[object, ...], tuple[str, ...]] = {}

    def remember(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return parse(value)
        words = tuple(value)
        found = known.get(words)
        if found is None:
            found = parse(value)
            if len(known) < 1024:
                known[words] = found
        return found

    return remember


def file_name(value: object) -> str:
    """Take a name that also becomes the name of a file or directory."""
    if not isinstance(value, str):
        raise BadValueError
    fault = name_fault(value)
    if fault is not None:
        raise BadValueError(fault, value)
    return value


@lru_cache(maxsize=4096)
def name_fault(name: str) -> str | None:
    """Say why *name* cannot name a table, a file in the state directory, or a hook."""
    if name and _FILE_NAME.issuperset(name) and name[0] not in "._@-":
        if len(name) > LONGEST_NAME:
            return f"a name of more than {LONGEST_NAME} characters"
        if name.endswith(_FORBIDDEN_SUFFIXES):
            return f"a name cannot end in {', '.join(_FORBIDDEN_SUFFIXES)}: it becomes a file's name"
        return None
    if "*" in name:
        tame = name.replace("*", "wildcard")
        return f'a name becomes a file\'s name, so it has no star: call it "{tame}", the star goes into names'
    return 'a name becomes a file\'s name: letters, digits and "._@-", with a letter or digit first'


def path(value: object) -> str:
    """Take the path of a file."""
    found = directory(value)
    if found.endswith("/"):
        raise BadValueError("names a directory, where a file is expected")
    return found


def directory(value: object) -> str:
    """Take the path of a directory."""
    if not isinstance(value, str):
        raise BadValueError
    if not value:
        raise BadValueError("must not be empty")
    if value[0] == "~":
        raise BadValueError("~ is not expanded here: write the whole path")
    if not value.isprintable():
        # CERTCTL_FILES gives hooks one path a line.
        raise BadValueError("a path cannot hold control characters")
    return value


def command(value: object) -> tuple[str, ...]:
    """Take an argument vector; no shell ever reads it."""
    if isinstance(value, str) and value.split():
        words = ", ".join(f'"{word}"' for word in value.split())
        raise BadValueError(f"a list is expected, one argument each, since no shell reads it: [{words}]")
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise BadValueError
    if not value or not value[0]:
        raise BadValueError("must name a program")
    if any("\0" in word for word in value):
        raise BadValueError("holds a NUL character")
    return tuple(value)


def account(value: object) -> str:
    """Take a user's or group's name or number; whether it exists is seen when files are written."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 2**32 - 1:
            raise BadValueError("not the number of a user or group")
        return str(value)
    if not isinstance(value, str):
        raise BadValueError
    if not value or value[0] == "-" or not value.isprintable() or any(c in ":/, " for c in value):
        raise BadValueError("not the name of a user or group")
    if value.isdecimal() and not (value.isascii() and len(value) < 11 and int(value) < 2**32 - 1):
        raise BadValueError("not the number of a user or group")
    return value


def at(found: str, base: str) -> str:
    """Make a path absolute: relative ones are relative to the configuration file's directory."""
    path = os.path.normpath(found if found[0] == "/" else f"{base}/{found}")
    # POSIX lets two leading slashes mean something else, so normpath keeps them.
    return path[1:] if path.startswith("//") else path


def all_at(found: tuple[str, ...], base: str) -> tuple[str, ...]:
    """Make each path of a list absolute."""
    return tuple(at(one, base) for one in found)


def command_at(found: tuple[str, ...], base: str) -> tuple[str, ...]:
    """Make a program's path absolute; a name without a slash is looked up in PATH."""
    return (at(found[0], base), *found[1:]) if "/" in found[0] else found
