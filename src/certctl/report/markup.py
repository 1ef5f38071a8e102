"""HTML as text: whatever is not `Html` already is escaped, so no name or message can become markup."""

from __future__ import annotations

from html import escape
from typing import NewType

from certctl.system.text import lines

Html = NewType("Html", str)
"""Text that is markup."""

_VOID = ("meta", "br", "rect", "line", "circle", "path")


def text(value: object) -> Html:
    """Escape plain text, of one line or several."""
    return Html(_plain(value))


def tag(name: str, /, *children: Html, **attributes: object) -> Html:
    """An element; attributes that are None are left out, `class_` is class, `_` in names is `-`."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{name}{told}/>" if name not in ("meta", "br") else f"<{name}{told}>")
    return Html(f"<{name}{told}>{''.join(children)}</{name}>")


def _plain(value: object) -> str:
    return escape(lines(str(value)), quote=True)


def joined(*parts: Html) -> Html:
    return Html("".join(parts))
