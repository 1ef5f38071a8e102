"""smtp_tls_policy_maps of a Postfix: which tables it asks, in which order, and how one is added."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from certctl.servers.files import read_text
from certctl.servers.map_source import Line, Table, source_lines, tables
from certctl.servers.postfix import Postfix

PARAMETER = "smtp_tls_policy_maps"


def uses(postfix: Postfix, path: str) -> bool:
    """Whether the table whose source is *path* is among them."""
    return any(isinstance(table, Table) and table.path == path for table in _tables(postfix))


def adding(postfix: Postfix, path: str) -> str:
    """What to type so that *path* is asked, too, after those that are asked now."""
    kind = postfix.get("default_database_type") or "hash"
    value = ", ".join([*postfix.words(PARAMETER), f"{kind}:{path}"])
    return f"{postfix.conf} -e {shlex.quote(f'{PARAMETER} = {value}')}; {postfix.reload}"


def entries(postfix: Postfix) -> Iterator[tuple[Table | None, Line]]:
    """The entries of all tables whose source is text, the first of one key counts; None: an inline table."""
    for table in _tables(postfix):
        if not isinstance(table, Table):
            yield from ((None, line) for line in table)
        elif table.has_source and (text := read_text(table.path)) is not None:
            yield from ((table, line) for line in source_lines(text))


def _tables(postfix: Postfix) -> Iterator[Table | tuple[Line, ...]]:
    return tables(postfix.get(PARAMETER), postfix.get("default_database_type"))
