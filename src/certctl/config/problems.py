"""What is wrong with a configuration file: faults of values, collected into one line each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from certctl.errors import ConfigError
from certctl.system.text import nearest

Where = tuple[str | int, ...]
"""A place in the file: () is its top, ("certificate", "mx1"), ("certificate", "mx1", "file", 2)."""

WHOLE: Final = object()
"""A fault that is about the whole value, not about one element of a list."""

LONGEST_LINE = 1500

BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class BadValueError(Exception):
    """A value that its key does not take.

    *message* says what is allowed; empty, it means "the wrong type", and the key's
    own description says the rest. *shown* is the element that is at fault.
    """

    def __init__(self, message: str = "", shown: object = WHOLE) -> None:
        super().__init__(message)
        self.faults: list[tuple[str, object]] = [(message, shown)]

    @classmethod
    def of(cls, faults: list[tuple[str, object]]) -> BadValueError:
        """Make one out of the faults of a list's elements."""
        # An element of the wrong type is best shown with the whole list.
        bad = cls()
        bad.faults = [fault for fault in faults if fault[0]] or faults[:1]
        return bad


class Problems:
    """All that is wrong with the file *path*."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, where: Where, message: str) -> None:
        """Add one line about the table at *where*."""
        table = label(where)
        line = f"{self.path}: {table} {message}" if table else f"{self.path}: {message}"
        self.lines.append(escaped(line[:LONGEST_LINE]))

    def value(self, where: Where, key: str, value: object, message: str) -> None:
        """Add one line about what *key* is set to."""
        self.add(where, f"{quoted(key)} = {show(value)}: {message}")

    def end(self) -> None:
        """Raise `ConfigError` if there is anything to say."""
        if self.lines:
            raise ConfigError(self.lines)


def label(where: Where) -> str:
    """Write a place as its header in the file: [certificate.mx1], [[certificate.mx1.file]] #2."""
    if not where:
        return ""
    if isinstance(where[-1], int):
        return f"[[{dotted(where[:-1])}]] #{where[-1]}"
    return f"[{dotted(where)}]"


def dotted(keys: Iterable[str | int]) -> str:
    """Join keys as TOML writes them, quoted where they need it."""
    return ".".join(quoted(str(key)) for key in keys)


def quoted(key: str, limit: int = 80) -> str:
    """Write one key as TOML does, shortened to about *limit*."""
    return key if key and BARE.issuperset(key) else show(key, limit)


def show(value: object, limit: int = 80) -> str:
    """Write a value as TOML does, on one line, without control characters, shortened to about *limit*."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = '"' + escaped(value[: limit + 1].replace("\\", "\\\\").replace('"', '\\"')) + '"'
    elif isinstance(value, list):
        text = "[" + ", ".join(show(item, limit) for item in value[:limit]) + "]"
    elif isinstance(value, dict):
        text = "{ … }" if value else "{}"
    elif isinstance(value, int) and value.bit_length() > 128:
        return "a number of very many digits"
    else:
        text = str(value)
    return text if len(text) <= limit else text[:limit] + "…"


def escaped(text: str) -> str:
    """Write control characters as TOML's escapes, so that a message stays one harmless line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(ord(char)) for char in text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def suggestion(word: str, known: Iterable[str], form: str = '"{}"') -> str:
    """Say "; did you mean …?", or nothing when no known word is near."""
    near = nearest(word, known)
    return "" if near is None else f"; did you mean {form.format(near)}?"


def not_one_of(word: str, known: Iterable[str]) -> str:
    """Say which words there are, and which of them is near."""
    words = list(known)
    more = ", …" if len(words) > 16 else ""
    return f"not one of {', '.join(words[:16])}{more}{suggestion(word, words)}"
