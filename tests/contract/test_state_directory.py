"""Whose state directory it is, and what becomes of it while and between passes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from certctl.errors import LockedError
from certctl.store.lock import lock
from tests.support import crash, scenarios
from tests.support.world import World

COUNTED = "lost-state cases"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """One certificate that is served, whose hook has run."""
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world", monkeypatch)
    world.configure(scenarios.SELF_SIGNED)
    world.done("run")
    return world


def runs(world: World) -> int:
    return len((world.root / "reload.log").read_text().splitlines())


def test_came_back(world: World) -> None:
    """A state directory that was put back from a backup lets every hook run once, and says why."""
    before, state = runs(world), world.layout.root
    shutil.copytree(state, f"{state}.backup", symlinks=True)
    shutil.rmtree(state)
    os.rename(f"{state}.backup", state)
    assert [step["kind"] for step in world.steps()] == ["hook"]
    world.done("run")
    assert runs(world) == before + 1
    assert "came back from a backup" in world.done("log").out
    world.done("run")
    assert runs(world) == before + 1


def test_files_came_back(world: World) -> None:
    """So do its files, where they were put back into the same directory."""
    before, state = runs(world), Path(world.layout.root)
    shutil.copytree(state, f"{state}.backup", symlinks=True)
    for entry in state.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(f"{state}.backup", state, symlinks=True, dirs_exist_ok=True)
    world.done("run")
    assert runs(world) == before + 1


def test_two_configurations(world: World) -> None:
    """A second configuration for one state directory is refused, until the first is gone or gives way."""
    first, second = Path(world.path), world.root / "second.toml"
    shutil.copy(first, second)
    world.path = str(second)
    ran = world("run")
    assert ran.code == 1
    assert f"{world.layout.root} is the state directory of {first}, not of {second}" in ran.err
    assert f"rm {world.layout.owner}" in ran.err
    assert world("plan") == ran
    first.unlink()
    world.done("run")
    shutil.copy(second, first)
    world.path = str(first)
    assert world("run").code == 1
    os.unlink(world.layout.owner)
    world.done("run")


def test_lock_file_removed(world: World) -> None:
    """Whoever removes the lock file in mid-pass lets nobody else in: the directory is locked, too."""
    with lock(world.layout.lock, 0):
        os.unlink(world.layout.lock)
        with pytest.raises(LockedError), lock(world.layout.lock, 0):
            pass


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "removed"])
def test_gone_in_mid_pass(world: World, moved: bool) -> None:
    """A state directory moved or removed in mid-pass is not made anew: exit 1, nothing is written."""
    state = world.layout.root
    (world.tls / "mx1.pem").unlink()
    world.later(days=80)

    def at(number: int, name: str, path: str) -> None:
        if name == "hook-start" and os.path.exists(state):
            os.rename(state, f"{state}.moved")
            if not moved:
                shutil.rmtree(f"{state}.moved")

    with crash.watching(at):
        ran = world("run")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert f"{state} was moved or removed in the middle of a pass" in ran.err
    assert not os.path.exists(state)
