"""What the parts of one file's loading share: its problems, its directory, and who writes and names what."""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from typing import Any

from certctl.config import explain
from certctl.config.key import Section
from certctl.config.problems import BadValueError, Problems, Where, label
from certctl.config.values import name_fault


class Context:
    """The loading of one file."""

    def __init__(self, path: str, document: Mapping[str, object]) -> None:
        self.problems = Problems(path)
        self.base = os.path.dirname(path).rstrip("/")
        self.issuers = _names(document, "issuer") | {"self-signed", "private-ca"}
        self.announcers = _names(document, "announce")
        self.peers = _names(document, "peer")
        self.hooks: dict[str, None] = {}
        """Every hook that was named, in the order of the file."""
        self.outputs: dict[str, Where] = {}
        """Every file that certctl will write, and the table that says so."""

    def read(self, where: Where, table: Mapping[str, object], section: Section) -> dict[str, Any]:
        """Parse *table* by *section*; what is faulty is recorded, and missing from the result."""
        found: dict[str, Any] = {}
        keys = section.keys
        for name, value in table.items():
            key = keys.get(name)
            if key is None:
                explain.unknown(self.problems, where, name, value, section)
                continue
            try:
                parsed = key.parse(value)
            except BadValueError as bad:
                explain.fault(self.problems, where, name, value, key, bad)
                continue
            if key.place is not None:
                parsed = key.place(parsed, self.base)
            found[key.field or name] = parsed
        for name in section.required:
            if name not in table:
                key = keys[name]
                self.problems.add(where, f"{name} is missing: {key.want}, such as {name} = {key.example}")
        if "hooks" in found:
            for hook in found["hooks"]:
                self.hooks[hook] = None
        return found

    def tables(self, document: Mapping[str, object], kind: str) -> Iterator[tuple[str, dict[str, object]]]:
        """Yield each [kind.NAME] with its name; anything else there is recorded as a problem."""
        group = document.get(kind, {})
        if not isinstance(group, dict):
            explain.not_tables(self.problems, kind, group)
            return
        for name, table in group.items():
            if isinstance(table, dict) and name_fault(name) is None:
                yield name, table
            else:
                explain.bad_table(self.problems, kind, name, table)

    def output(self, where: Where, key: str, path: str, *, shared: str = "") -> None:
        """Record that *path* will be written. Only tables of kind *shared* may write one file together."""
        other = self.outputs.setdefault(path, where)
        if other is not where and not (shared and other[0] == shared):
            self.problems.value(where, key, path, f"is written by {label(other)} too")


def _names(document: Mapping[str, object], kind: str) -> frozenset[str]:
    group = document.get(kind)
    return frozenset(group) if isinstance(group, dict) else frozenset()
