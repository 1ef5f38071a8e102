"""The tools whose certificates can be taken over, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from certctl.errors import UsageError
from certctl.onboarding.tools.common import Tree

NAMES = ("certbot", "lego", "acme.sh", "dehydrated", "pem")
_MODULES = {"acme.sh": "acme_sh", "pem": "pem_files"}


class Tool(NamedTuple):
    """One tool: how its tree is looked at, and where that mostly is."""

    look: Callable[[str, datetime], Tree]
    paths: tuple[str, ...]


def find(name: str) -> Tool:
    """The tool called *name*."""
    module = import_module(f"certctl.onboarding.tools.{_MODULES.get(name, name)}")
    return Tool(module.look, getattr(module, "PATHS", ()))


def place(name: str, path: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Where to look: *path*, else the first of the tool's own places that is there. Raises UsageError."""
    if path is not None:
        return os.path.abspath(path)
    places = [_expanded(one, environ) for one in find(name).paths]
    if not places:
        raise UsageError(f"which files? {name} has no place of its own", f"certctl import {name} PATH")
    for one in places:
        if os.path.isdir(one):
            return one
    raise UsageError(f"{name} is not here: there is no {' nor '.join(places)}", f"certctl import {name} PATH")


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "/root")
    return home.rstrip("/") + path[1:] if path.startswith("~/") else path
