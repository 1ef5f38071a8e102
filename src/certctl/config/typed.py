"""Tables whose keys depend on their type."""

from __future__ import annotations

from collections.abc import Mapping

from certctl.config.context import Context
from certctl.config.key import Section
from certctl.config.problems import Where


def section_of(
    context: Context,
    where: Where,
    table: Mapping[str, object],
    sections: Mapping[str, Section],
    default: str | None = None,
) -> str | None:
    """Give the type that *table* names, or *default*.

    None where that cannot be told; then that is recorded, with whatever keys no type has.
    """
    kind = table.get("type", default)
    if isinstance(kind, str) and kind in sections:
        return kind
    every = {name: key for section in sections.values() for name, key in section.keys.items()}
    context.read(where, table, Section(every, required=("type",)))
    return None
