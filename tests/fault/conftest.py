"""A world for each test, and what its tests count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.dhparam import ffdhe, search
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with nothing in it but its programs."""
    root = tmp_path / "world"
    root.mkdir()
    return World(root, monkeypatch)


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Call it with what this test counted: the sum over all tests is told at the end of the run."""

    def count(what: str, number: int) -> None:
        request.node.user_properties.append((what, number))

    return count


@pytest.fixture
def dh_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search for DH parameters ends at once, with a well-known prime."""
    prime = ffdhe.group(2048).p

    def found(bits: int, **options: object) -> int:
        return prime

    monkeypatch.setattr(search, "find_safe_prime", found)
