"""While the lock is not held: what is in hand, whether others did anything, and having the lock again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from certctl.app.lease import Lease
from certctl.errors import EndedError, LockedError
from certctl.store.layout import Layout
from certctl.store.lock import lock
from certctl.store.meanwhile import in_hand, marks

CHILD = """
import os, sys
from certctl.store.meanwhile import in_hand
with in_hand(sys.argv[1], sys.argv[2:]) as mine:
    print(*sorted(mine), flush=True)
    sys.stdin.read()
    os._exit(9)
"""


def test_one_has_it_in_hand(tmp_path: Path) -> None:
    """What a process has in hand no other gets, everything else it does; when it dies all of it is free."""
    path = f"{tmp_path}/lock.in-hand"
    argv = [sys.executable, "-c", CHILD, path, "certificate mx1", "issuer le"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == ["certificate", "mx1", "issuer", "le"]
        with in_hand(path, ["certificate mx1", "certificate mx2"]) as mine:
            assert mine == {"certificate mx2"}
        other.kill()
        other.wait(10)
    with in_hand(path, ["certificate mx1", "issuer le"]) as mine:
        assert mine == {"certificate mx1", "issuer le"}


def test_marks(tmp_path: Path) -> None:
    """A state, a link, a hook's delivery or a line of the journal that others wrote shows."""
    layout = Layout(str(tmp_path))
    for name in ("state", "live"):
        (tmp_path / name).mkdir()
    seen = [marks(layout)]
    (tmp_path / "state/new.json").touch()
    seen.append(marks(layout))
    (tmp_path / "live/new").symlink_to("x")
    seen.append(marks(layout))
    (tmp_path / "hooks.json").touch()
    seen.append(marks(layout))
    with open(layout.journal, "a", encoding="utf-8") as journal:
        journal.write("{}\n")
    seen.append(marks(layout))
    assert len({str(one) for one in seen}) == len(seen)
    assert marks(layout) == seen[-1]


def is_free(path: str) -> bool:
    try:
        with lock(path, 0):
            return True
    except LockedError:
        return False


def test_lease(tmp_path: Path) -> None:
    """Outside of it the lock is free for others, and for a thread of the pass; then the pass has it again."""
    path = f"{tmp_path}/lock"
    lease = Lease(partial(lock, path))
    with lease.held(0):
        assert not is_free(path)
        with lease.outside():
            assert is_free(path)
            with lease.inside():
                assert not is_free(path)
            assert is_free(path)
        assert not is_free(path)
        with pytest.raises(ZeroDivisionError), lease.outside():
            raise ZeroDivisionError
        assert not is_free(path)
    assert is_free(path)


def test_the_lease_waits(tmp_path: Path) -> None:
    """Whoever took the lock meanwhile is waited for."""
    path = f"{tmp_path}/lock"
    lease = Lease(partial(lock, path))
    taken, leave = threading.Event(), threading.Event()

    def other() -> None:
        with lock(path, 10):
            taken.set()
            leave.wait(10)

    with lease.held(0):
        with lease.outside():
            thread = threading.Thread(target=other)
            thread.start()
            assert taken.wait(10)
            threading.Timer(0.1, leave.set).start()
        assert leave.is_set()
    thread.join(10)


def test_told_to_end(tmp_path: Path) -> None:
    """A signal that ends the process while it is outside waits for nobody."""
    path = f"{tmp_path}/lock"
    lease = Lease(partial(lock, path))
    with pytest.raises(EndedError), lease.held(0), lease.outside():
        os.close(os.open(path, os.O_RDONLY))
        raise EndedError(15)
    assert is_free(path)
