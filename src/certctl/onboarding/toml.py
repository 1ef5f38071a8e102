"""TOML text: the one writer of what init, import and peers add put into a certctl.toml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from certctl.config.problems import BARE, escaped

WIDTH = 108


def value(given: object) -> str:
    """A string, a truth value, a number or a list of these, on one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return str(given)
    if isinstance(given, str):
        return '"' + escaped(given.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    assert isinstance(given, Iterable)
    return f"[{', '.join(map(value, given))}]"


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if name and BARE.issuperset(name) else value(name)


def table(*keys: str) -> str:
    """The line that begins a table: [certificate.mx1]."""
    return f"[{'.'.join(map(key, keys))}]\n"


def setting(name: str, given: object, told: str = "", *, column: int = 0) -> str:
    """One line; what there is to tell follows as a comment, at *column*."""
    line = f"{key(name)} = {value(given)}"
    return f"{line.ljust(column - 1)} # {plain(told)}\n" if told else f"{line}\n"


def settings(given: Mapping[str, object]) -> str:
    """A line for each."""
    return "".join(setting(name, one) for name, one in given.items())


def sentence(text: str) -> Iterator[str]:
    """Comment lines of a bearable width."""
    line = "#"
    for word in plain(text).split():
        if len(line) + len(word) >= WIDTH and line != "#":
            yield f"{line}\n"
            line = "#  "
        line = f"{line} {word}"
    yield f"{line}\n"


def plain(text: str) -> str:
    """One line for a comment, whatever is in *text*."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
