"""account: what the CA knows."""

from __future__ import annotations

from typing import Any

from certctl.cli.console import Console

_WORDS = (
    ("issuer", "issuer"),
    ("directory", "directory"),
    ("url", "account"),
    ("status", "status"),
    ("contact", "contact"),
    ("thumbprint", "thumbprint"),
    ("key_file", "key"),
    ("terms", "terms of service"),
)


def show(console: Console, document: dict[str, Any]) -> None:
    """One fact a line; what the CA does not tell is left out."""
    for field, word in _WORDS:
        value = document.get(field)
        if value:
            text = ", ".join(value) if isinstance(value, list | tuple) else str(value)
            console.answer(f"{word.ljust(16)}  {text}")
