"""Exim's configuration: the main section's plain settings."""

from __future__ import annotations

import re

from certctl.servers.files import read_text

_SETTING = re.compile(
    r"^\s*(?:MAIN_)?(tls_[a-z]+|TLS_[A-Z]+|exim_user)\s*=\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE
)


def read_exim(path: str) -> dict[str, str]:
    """Read the settings of *path* that have to do with TLS, without expansions; their names in lower case."""
    text = read_text(path) or ""
    return {name.lower(): value for name, value in _SETTING.findall(text)}


def files_of(value: str) -> list[str]:
    """The files of a list, one an algorithm; none where Exim would expand it first."""
    paths = [path.strip() for path in value.split(":")]
    return paths if all(path.startswith("/") and "$" not in path for path in paths) else []
