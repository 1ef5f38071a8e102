"""What a schema is made of."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from certctl.config.values import Parser


class Key(NamedTuple):
    """One key of a table."""

    parse: Parser
    """From what TOML gives to what the spec holds; raises `BadValueError`."""
    want: str
    """What is allowed, in words that follow "expected"."""
    example: str
    """A value as TOML text."""
    field: str = ""
    """The field of the spec, where it is called otherwise than the key."""
    place: Callable[[Any, str], Any] | None = None
    """Makes the value's paths absolute; its second argument is the file's directory."""


class Section(NamedTuple):
    """One kind of table."""

    keys: Mapping[str, Key]
    required: tuple[str, ...] = ()
