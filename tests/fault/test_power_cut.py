"""What a power cut may take back: nothing is renamed before it is durable; then its name is."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from certctl.store import syncing
from tests.support import crash
from tests.support.crash import Operation
from tests.support.invariants import TEMPORARY
from tests.support.scenarios import SCENARIOS, Scenario
from tests.support.world import World

WRITES = ("create", "write", "fchmod", "chown", "mkdir")
SYNCS = ("fsync", "syncfs")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
@pytest.mark.parametrize("whole", [True, False], ids=["syncfs", "fsync"])
def test_order(
    world: World, scenario: Scenario, whole: bool, dh_found: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every rename comes after a sync of what is renamed, and is followed at once by one of its directory."""
    if not whole:
        # As before Linux 5.8, where syncfs(2) does not report what could not be written.
        monkeypatch.setattr(syncing, "obeys_syncfs", lambda _: False)
    command = scenario.begin(world)
    done = crash.operations(world, *command)
    renamed = [at for at, operation in enumerate(done) if operation.name == "rename"]
    assert renamed
    for at in renamed:
        path, thread = done[at].path, done[at].thread
        # Caches may be lost at any time; so may the mark of the clock, which is set anew.
        if path not in (world.layout.stamps, world.layout.clock):
            _check_before([operation for operation in done[:at] if operation.thread == thread], path)
            _check_after([operation for operation in done[at + 1 :] if operation.thread == thread], path)
    for at, operation in enumerate(done):
        if operation.name == "mkdir" and os.path.isdir(operation.path) and not _in_tree(done, operation.path):
            _check_used_after(done[at + 1 :], operation.path)


def _check_before(done: Sequence[Operation], path: str) -> None:
    """Whatever was written under the temporary name of *path* was synced since."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{TEMPORARY}")
    below = tuple(f"{place}/" for place in (temporary, path))
    for at in range(len(done) - 1, -1, -1):
        name, where, _ = done[at]
        if name == "rename" and where == path:
            return  # the time before
        if name in WRITES and (where in (path, temporary) or where.startswith(below)):
            member = temporary + where.removeprefix(temporary).removeprefix(path)
            assert any(_syncs(operation, member) for operation in done[at + 1 :]), (
                f"{done[at]} is not durable"
            )


def _check_after(done: Sequence[Operation], path: str) -> None:
    """The next operations are the other renames of the batch and the sync of the directory of *path*."""
    for operation in done:
        if _syncs(operation, os.path.dirname(path)):
            return
        assert operation.name in ("rename", "chmod", *SYNCS), f"{path} was not durable before {operation}"
    raise AssertionError(f"{path} is never made durable")


def _check_used_after(done: Sequence[Operation], path: str) -> None:
    """A new directory is durable before anything gets its name in it or below it."""
    for operation in done:
        if _syncs(operation, os.path.dirname(path)):
            return
        used = operation.name == "rename" and operation.path.startswith(f"{path}/")
        assert not used, f"{path} was not durable before {operation}"
    raise AssertionError(f"{path} is never made durable")


def _syncs(operation: Operation, path: str) -> bool:
    return operation.name == "syncfs" or (operation.name == "fsync" and operation.path == path)


def _in_tree(done: Sequence[Operation], path: str) -> bool:
    """Whether a directory came into its place by the rename of a whole tree."""
    above = [operation.path for operation in done if operation.name == "rename"]
    return TEMPORARY in path or any(path == place or path.startswith(f"{place}/") for place in above)
