"""Durable operations, counted; and what happens when one of them is the last, or fails.

Besides those that `atomic.seam` announces, every other system call of store.atomic
that changes something on disk is one: a tree is removed file by file, say.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certctl.store import atomic
from certctl.system import child
from tests.support.world import Ran, World

At = Callable[[int, str, str], None]

# The system calls that a seam announces; what else changes the disk announces itself.
_ANNOUNCED = {
    "create": "open",
    "append": "open",
    "write": "write",
    "chown": "fchown",
    "fsync": "fsync",
    "rename": "rename",
    "symlink": "symlink",
    "mkdir": "mkdir",
    "unlink": "unlink",
}
_CHANGING = ("rename", "symlink", "mkdir", "unlink", "rmdir", "fchmod", "chmod", "fchown")


class Operation(NamedTuple):
    """One durable operation."""

    name: str
    path: str
    thread: int = 0
    """By whom: what threads do side by side is in no order."""


class _Watched:
    """The module os as store.atomic sees it: calls that change something and were not announced are told."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._thread = threading.local()

    def announce(self, name: str) -> None:
        self._thread.announced = _ANNOUNCED.get(name)

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in _CHANGING:
            return call

        def watched(*arguments: Any, **options: Any) -> Any:
            announced = getattr(self._thread, "announced", None) == name
            self._thread.announced = None
            path = _path(arguments[-1] if name == "rename" else arguments[0], options)
            if not announced and (name != "unlink" or os.path.lexists(path)):
                self._tell(name, path)
            return call(*arguments, **options)

        return watched


def _path(where: str | int, options: Mapping[str, Any]) -> str:
    """What a call is about: a descriptor, or a name in the directory that one is open on."""
    if isinstance(where, int):
        return os.readlink(f"/proc/self/fd/{where}")
    around = options.get("dir_fd", options.get("dst_dir_fd"))
    return where if around is None else os.path.join(os.readlink(f"/proc/self/fd/{around}"), where)


@contextlib.contextmanager
def watching(at: At) -> Iterator[list[Operation]]:
    """Call *at* with number, name and path before each durable operation; the list is of those that began."""
    seen: list[Operation] = []
    guard = threading.Lock()

    def tell(name: str, path: str) -> None:
        with guard:
            seen.append(Operation(name, path, threading.get_ident()))
            number = len(seen)
        at(number, name, path)

    watched = _Watched(tell)

    def seam(name: str, path: str) -> None:
        watched.announce(name)
        tell(name, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "seam", seam)
        patch.setattr(atomic, "os", watched)
        yield seen


def _go_on(number: int, name: str, path: str) -> None:
    """Let everything happen."""


def operations(world: World, *argv: str) -> list[Operation]:
    """Run a command that must succeed, and list its durable operations."""
    with watching(_go_on) as seen:
        world.done(*argv)
    return seen


def killed(world: World, number: int, *argv: str) -> bool:
    """Run a command in a child that kills itself before operation *number*; False if it ended before that."""

    def at(current: int, name: str, path: str) -> None:
        if current == number:
            os.kill(os.getpid(), signal.SIGKILL)

    code = forked(world, at, *argv)
    assert code in (0, -signal.SIGKILL), world.root.with_name(world.root.name + ".child").read_text()
    return code == -signal.SIGKILL


def forked(world: World, at: At, *argv: str) -> int:
    """Run a command in a child, under *at*; its exit status, negative for the signal that ended it."""
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Since 3.12: fork() beside pytest-xdist's thread. The child runs no code that it shares with it.
        warnings.simplefilter("ignore", DeprecationWarning)
        forked = os.fork()
    if forked:
        return os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
    code = 99
    # What is shown is what is on disk: a process to speak to the network in, for each of thousands of
    # kills, would cost most of the time.
    child._inside = True
    try:
        with watching(at):
            ran = world(*argv)
        code = ran.code
        if code:
            Path(world.root.with_name(world.root.name + ".child")).write_text(ran.err)
    except BaseException:  # noqa: BLE001  # nothing may get out of the child
        Path(world.root.with_name(world.root.name + ".child")).write_text(traceback.format_exc())
    finally:
        os._exit(code)


def failing(
    world: World, first: int, code: int, *argv: str, last: int | None = None
) -> tuple[Ran, list[Operation]]:
    """Run a command in which operations *first* to *last* (default: only *first*) fail with errno *code*.

    Returns how it ended, and which operations failed.
    """
    failed: list[Operation] = []
    last = first if last is None else last

    def at(current: int, name: str, path: str) -> None:
        if first <= current <= last and not name.startswith("hook-"):
            failed.append(Operation(name, path))
            raise OSError(code, os.strerror(code), path)

    with watching(at):
        ran = world(*argv)
    return ran, failed


ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)
