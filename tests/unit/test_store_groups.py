"""Several batches that wait for the disk together: one that fails leaves the others alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from certctl.store import atomic, syncing
from tests.support import crash


def batches(directory: Path, count: int) -> list[atomic.Batch]:
    """Each makes a tree and then a file, as a generation and the state that names it."""
    made = []
    for number in range(count):
        batch = atomic.Batch().directory(f"{directory}/{number}").tree(
            f"{directory}/{number}/1", [("key", b"secret", 0o600), ("inner/cert", b"public", 0o644)]
        )  # fmt: skip
        made.append(batch.file(f"{directory}/{number}.json", b"{}", 0o600))
    return made


def test_barriers_do_not_grow(tmp_path: Path) -> None:
    """Fifty batches wait for the disk as often as one does."""
    waits = []
    for count in (1, 50):
        directory = tmp_path / str(count)
        directory.mkdir()
        with crash.watching(lambda *_: None) as seen:
            assert atomic.commit_all(batches(directory, count)) == [None] * count
        waits.append([operation.name for operation in seen if "sync" in operation.name])
        assert len(list(directory.glob("*/1/inner/cert"))) == len(list(directory.glob("*.json"))) == count
    assert waits[0] == waits[1]


@pytest.mark.parametrize("whole", [True, False], ids=["syncfs", "fsync"])
def test_failures_stay_alone(tmp_path: Path, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever operation fails: one batch is told by its path, the others are in place and whole."""
    if not whole:
        monkeypatch.setattr(syncing, "obeys_syncfs", lambda _: False)
    number = 0
    while True:
        number += 1
        directory = tmp_path / str(number)
        directory.mkdir()

        def at(current: int, name: str, path: str, number: int = number) -> None:
            if current == number:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)

        with crash.watching(at) as seen:
            failures = atomic.commit_all(batches(directory, 3))
        if len(seen) < number:
            break
        failed = [index for index, failure in enumerate(failures) if failure is not None]
        assert len(failed) == 1, (seen[number - 1], failures)
        assert f"cannot write {directory}/{failed[0]}" in str(failures[failed[0]])
        for index in {0, 1, 2} - set(failed):
            assert (directory / f"{index}.json").read_bytes() == b"{}"
            assert (directory / f"{index}/1/key").read_bytes() == b"secret"
        assert not list(directory.rglob(f"*{atomic.TEMPORARY}"))
    assert number > 20


def test_a_failed_sync_is_not_believed(tmp_path: Path) -> None:
    """What was staged when a sync failed is written anew, as the kernel may have dropped it."""
    failed: list[str] = []

    def at(_: int, name: str, path: str) -> None:
        if name == "syncfs" and not failed:
            failed.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with crash.watching(at) as seen:
        failures = atomic.commit_all(batches(tmp_path, 2))
    assert [failure is None for failure in failures] == [False, True]
    made = [at for at, operation in enumerate(seen) if operation[:2] == ("create", f"{tmp_path}/1.json")]
    syncs = [at for at, operation in enumerate(seen) if operation.name == "syncfs"]
    assert made[0] < syncs[0] < made[1] < syncs[1]
