"""Exim's configuration: the main section's plain settings."""

from __future__ import annotations

import os
import re

from certctl.servers.files import read_text

_SETTING = re.compile(
    r"^\s*(?:MAIN_)?(tls_[a-z]+|TLS_[A-Z]+|exim_user)\s*=\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE
)
_INCLUDE = re.compile(r"^[ \t]*\.include(?:_if_exists)?[ \t]+\"?([^\"\n]+?)\"?[ \t]*$", re.MULTILINE)
_DEEPEST = 10


def read_exim(path: str) -> dict[str, str]:
    """Read the settings of *path* that have to do with TLS, without expansions; their names in lower case."""
    return {name.lower(): value for name, value in _SETTING.findall(_whole(path))}


def _whole(path: str, depth: int = 0) -> str:
    """The text of *path*, each .include in its place (Exim's specification, 6.3)."""
    text = read_text(path) or ""
    if depth == _DEEPEST:
        return text
    return _INCLUDE.sub(lambda found: _whole(os.path.join(os.path.dirname(path), found[1]), depth + 1), text)


def files_of(value: str) -> list[str]:
    """The files of a list, one an algorithm; none where Exim would expand it first."""
    paths = [path.strip() for path in value.split(":")]
    return paths if all(path.startswith("/") and "$" not in path for path in paths) else []
