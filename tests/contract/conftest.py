"""Directories for tests that only know the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty directory of the test's own, to run certctl in."""
    path = tmp_path / "home"
    path.mkdir(mode=0o755)
    made = Home(path)
    yield made
    made.end()
