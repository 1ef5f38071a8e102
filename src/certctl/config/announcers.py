"""[announce.NAME]."""

from __future__ import annotations

from collections.abc import Mapping

from certctl.config.announcer_schema import ANNOUNCERS
from certctl.config.context import Context
from certctl.config.typed import section_of
from certctl.planning.spec import AnnouncerSpec


def read(context: Context, document: Mapping[str, object]) -> dict[str, AnnouncerSpec]:
    """Read every announcer's table, each by the keys of its type."""
    found = {}
    for name, table in context.tables(document, "announce"):
        where = ("announce", name)
        kind = section_of(context, where, table, ANNOUNCERS)
        if kind is None:
            continue
        values = context.read(where, table, ANNOUNCERS[kind])
        if "path" in values:
            context.output(where, "path", values["path"])
        found[name] = AnnouncerSpec(name=name, **{**values, "type": kind})
    return found
