"""Sources of Postfix lookup tables, as postmap(1) reads them; and what a list of tables names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from certctl.servers.postfix_parse import logical_lines, split_words

INDEXES = {
    "hash": ".db",
    "btree": ".db",
    "cdb": ".cdb",
    "lmdb": ".lmdb",
    "dbm": ".pag",
    "sdbm": ".pag",
}
"""Types that postmap builds, and what it appends to the source's name."""
TEXT = ("texthash",)
"""Types that read the source itself, in the same form."""


class Line(NamedTuple):
    """One entry of a table's source."""

    number: int
    key: str
    value: str
    continued: tuple[tuple[int, str], ...] = ()
    """Further lines that were taken for a part of this one."""


class Table(NamedTuple):
    """One table of a list: type:name."""

    type: str
    path: str

    @property
    def built(self) -> str:
        """The file that postmap makes; empty where it makes none."""
        return self.path + INDEXES[self.type] if self.type in INDEXES else ""

    @property
    def has_source(self) -> bool:
        """Whether *path* is text of the form that is read here."""
        return self.type in INDEXES or self.type in TEXT

    def __str__(self) -> str:
        return f"{self.type}:{self.path}"


def tables(value: str, default_type: str = "") -> Iterator[Table | tuple[Line, ...]]:
    """Yield the tables that a parameter's *value* names; an inline: one as its entries.

    proxy: is looked through. A bare path has *default_type*, if there is one, else it is passed over.
    """
    for word in split_words(value, ", \t\r\n"):
        kind, colon, path = word.partition(":")
        if kind == "proxy":
            kind, colon, path = path.partition(":")
        if kind == "inline":
            yield tuple(_inline(path))
        elif word.startswith("/") and default_type:
            yield Table(default_type, word)
        elif colon and path.startswith("/"):
            yield Table(kind, path)


def _inline(text: str) -> Iterator[Line]:
    """inline:{ { key = value }, key=value } (DATABASE_README)."""
    for word in split_words(text.strip().removeprefix("{").removesuffix("}"), ", \t\r\n"):
        inner = word[1:-1] if word.startswith("{") and word.endswith("}") else word
        key, equals, value = inner.partition("=")
        if equals:
            yield Line(1, key.strip(), value.strip())


def source_lines(text: str) -> Iterator[Line]:
    """Yield the entries of a table's source: key, white space outside quotes, value."""
    for logical in logical_lines(text):
        end = _end_of_key(logical.text)
        yield Line(logical.number, logical.text[:end], logical.text[end:].strip(), logical.parts[1:])


def _end_of_key(text: str) -> int:
    quoted = escaped = False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character.isspace() and not quoted:
            return at
    return len(text)
