"""What announcers remember: small JSON files in STATE_DIR/announce/NAME, each written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from certctl.planning.times import parse_rfc3339, rfc3339
from certctl.store import atomic
from certctl.system import files


def load(path: str) -> dict[str, Any]:
    """The document at *path*; an empty one where there is none or where it is damaged.

    Raises UnreadableError for what cannot be read, or a newer certctl wrote: that is not forgotten.
    """
    try:
        found = json.loads(files.read_file(path) or b"")
    except (ValueError, RecursionError):
        return {}
    files.refuse_newer(found, path)
    return found if isinstance(found, dict) else {}


def save(path: str, document: Mapping[str, Any]) -> None:
    """Durably keep *document*, readable by its owner only. Raises StoreError.

    Never in place of what `load` refuses.
    """
    load(path)
    atomic.make_directory(os.path.dirname(path))
    atomic.write(path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n", 0o600)


def texts(value: Any) -> dict[str, str]:
    """What of *value* is a mapping of texts to texts."""
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}


def number(value: Any) -> int:
    """*value* as a whole number; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def moment(value: Any) -> datetime | None:
    """The moment that a text stands for; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return parse_rfc3339(value)
    except ValueError:
        return None


def moment_text(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
