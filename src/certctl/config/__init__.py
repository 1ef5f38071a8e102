"""certctl.toml -> frozen spec: load, default, validate; every error names file, table and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certctl.config.file import find

if TYPE_CHECKING:
    from certctl.planning.spec import Spec

__all__ = ["find", "load"]


def load(path: str) -> Spec:
    """Load *path*. Raises `ConfigError` with all that is wrong with it."""
    # Who asks only where a file is need not load what every table of it may hold.
    from certctl.config.loading import load

    return load(path)
