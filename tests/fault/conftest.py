"""A world for each test, in memory where there is some: killing processes needs no disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certctl.dhparam import ffdhe, search
from tests.support.world import World

MEMORY = "/dev/shm"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory of this test's own, on a tmpfs if there is one."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    made = Path(tempfile.mkdtemp(prefix="certctl-test-", dir=MEMORY))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def world(place: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with nothing in it but its programs."""
    root = place / "world"
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
