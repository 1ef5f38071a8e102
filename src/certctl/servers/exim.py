"""Exim's configuration: the main section's plain settings."""

from __future__ import annotations

import glob
import os
import re

from certctl.servers.files import read_text
from certctl.servers.including import Includes

_SETTING = re.compile(
    r"^\s*(?:MAIN_)?(tls_[a-z]+|TLS_[A-Z]+|exim_user)\s*=\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE
)
_INCLUDE = re.compile(r"^[ \t]*\.include(?:_if_exists)?[ \t]+\"?([^\"\n]+?)\"?[ \t]*$", re.MULTILINE)


def read_exim(path: str) -> dict[str, str]:
    """Read the settings of *path* that have to do with TLS, without expansions; their names in lower case."""
    text = _whole(read_text(path) or "", path, Includes())
    return {name.lower(): value for name, value in _SETTING.findall(text)}


def _whole(text: str, path: str, includes: Includes) -> str:
    """*text*, which stands in *path*, each .include in its place (Exim's specification, 6.3)."""

    def included(found: re.Match[str]) -> str:
        place = glob.escape(os.path.join(os.path.dirname(path), found[1]))
        return "".join(_whole(more, name, includes) for name, more in includes.texts(place))

    return _INCLUDE.sub(included, text)


def files_of(value: str) -> list[str]:
    """The files of a list, one an algorithm; none where Exim would expand it first."""
    paths = [path.strip() for path in value.split(":")]
    return paths if all(path.startswith("/") and "$" not in path for path in paths) else []
