"""Another user, and directories that are his: for tests that root runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NOBODY = 65534


def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to somebody else")


def directory(place: Path) -> Path:
    """Make *place* (below pytest's directory) a directory of nobody's, which nobody can reach."""
    need_root()
    place.mkdir()
    for above in place.parents:
        if above.owner() == "root" and len(above.parts) > 2:
            above.chmod(0o755)
    os.chown(place, NOBODY, NOBODY)
    return place
