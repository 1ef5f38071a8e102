"""Directories for tests that only know the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty directory of the test's own, to run certctl in."""
    path = tmp_path / "home"
    path.mkdir(mode=0o755)
    return Home(path)
