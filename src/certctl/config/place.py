"""Where a configuration keeps its state, told without reading all of it."""

from __future__ import annotations

import os.path
import tomllib

from certctl.config import file
from certctl.config.values import at
from certctl.errors import ConfigError
from certctl.planning.spec import Spec


def state_dir(path: str) -> str | None:
    """The state directory that *path* (absolute) names; None where only reading it all can tell.

    Keys of the top stand before the first table (TOML v1.0, "Table"), and what is cut
    off in the middle of a value is no TOML.
    """
    try:
        text = file.read(path)
        head = "" if text.startswith("[") else text.partition("\n[")[0] + "\n"
        value = tomllib.loads(head).get("state_dir", Spec._field_defaults["state_dir"])
    except (ConfigError, ValueError, RecursionError):
        return None
    if not isinstance(value, str) or not value or value[0] == "~":
        return None
    return at(value, os.path.dirname(path))
