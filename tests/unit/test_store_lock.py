"""The lock: one holder, a bounded wait, and no trace of a holder that is gone."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from certctl.errors import EXIT_LOCKED, LockedError, StoreError
from certctl.store.lock import lock


def test_second_is_refused(tmp_path: Path) -> None:
    """Who does not want to wait is told at once, with the exit status for that and whom to ask."""
    path = f"{tmp_path}/lock"
    refused = pytest.raises(LockedError, match=f"another certctl holds the lock {path}")
    with lock(path, 0), refused as caught, lock(path, 0):
        pass
    assert caught.value.exit_code == EXIT_LOCKED == 75
    assert caught.value.path == path
    assert "fuser -v" in str(caught.value.hint)


def test_second_waits(tmp_path: Path) -> None:
    """Who waits gets the lock as soon as it is free."""
    path = f"{tmp_path}/lock"
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock(path, 0):
            held.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.1, leave.set).start()
    with lock(path, 10):
        assert leave.is_set()
    holder.join()


def test_wait_is_bounded(tmp_path: Path) -> None:
    """The wait ends when it was said to end."""
    path = f"{tmp_path}/lock"
    with lock(path, 0):
        begin = time.monotonic()
        with pytest.raises(LockedError), lock(path, 0.2):
            pass
        assert 0.2 <= time.monotonic() - begin < 5


def test_free_after_an_error(tmp_path: Path) -> None:
    """An exception within frees the lock."""
    with pytest.raises(ZeroDivisionError), lock(f"{tmp_path}/lock", 0):
        raise ZeroDivisionError
    with lock(f"{tmp_path}/lock", 0):
        assert stat.S_IMODE(os.stat(tmp_path / "lock").st_mode) == 0o600


def test_not_a_file(tmp_path: Path) -> None:
    """A symlink or a directory in its place is an error that names it, never followed."""
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "directory").mkdir()
    for name in ("link", "directory"):
        with (
            pytest.raises(StoreError, match=f"cannot write {tmp_path}/{name}: "),
            lock(f"{tmp_path}/{name}", 0),
        ):
            pass
