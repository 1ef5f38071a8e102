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


def with_tables(old: str, added: str) -> str:
    """The text *old* of somebody's file with the tables *added* to its end; comments and order stay.

    What *old* has as an inline table takes no header further down: that gets its new entries in place.
    """
    import tomllib

    ending = "\r\n" if "\r\n" in old else "\n"
    whole = f"{old.rstrip()}\n\n{added}".replace("\r\n", "\n").replace("\n", ending)
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError:
        return _inline(old, added, ending) or whole
    return whole


def _inline(old: str, added: str, ending: str) -> str | None:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        document, rest = tomlkit.parse(old), tomlkit.parse(added)
        for name, tables in rest.unwrap().items():
            there = document.get(name)
            if isinstance(there, InlineTable):
                there.update(tables)
                rest.remove(name)
        parts = [text for text in (document.as_string().rstrip(), rest.as_string().strip()) if text]
    except TOMLKitError:
        return None  # whoever reads the text is told what is wrong with it
    return ("\n\n".join(parts) + "\n").replace("\r\n", "\n").replace("\n", ending)
