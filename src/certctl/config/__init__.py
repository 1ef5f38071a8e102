"""certctl.toml -> frozen spec: load, default, validate; every error names file, table and key."""

from certctl.config.file import find
from certctl.config.loading import load

__all__ = ["find", "load"]
