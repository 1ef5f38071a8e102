"""Opening a directory step by step, so that nobody can lead certctl elsewhere on the way.

A path is looked up anew by every system call that gets it. Whoever owns a directory
on the way may exchange what is in it for a symlink in between; so it is gone through
once, descriptor by descriptor, and what is done is done relative to the last one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from certctl.system.safety import MAX_LINKS, user_name, writers

_STEP = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


def open_directory(path: str, base: str | None = None) -> int:
    """Open the directory *path*, for what is done relative to it; the caller closes it.

    A symlink on the way is followed only if root or the current user made it, in a
    directory where nobody else can exchange it; below *base* none is. Raises OSError.
    """
    if base is None:
        return _walk(os.open("/", _STEP), os.path.join(os.getcwd(), path), path, MAX_LINKS)
    return _walk(open_directory(base), os.path.relpath(path, base), path, 0)


@contextlib.contextmanager
def place_of(path: str, base: str | None = None) -> Iterator[tuple[int, str]]:
    """The directory that *path* is in, opened so that nobody can exchange it, and the name in it."""
    at = open_directory(os.path.dirname(path), base)
    try:
        yield at, os.path.basename(path)
    finally:
        os.close(at)


def owner_of(path: str, base: str) -> int:
    """The owner of the directory *path* below *base*, or, where there is none, of the last one before it."""
    while True:
        try:
            fd = open_directory(path, base)
        except OSError:
            if path == base:
                return os.geteuid()
            path = os.path.dirname(path)
            continue
        try:
            return os.fstat(fd).st_uid
        finally:
            os.close(fd)


def _walk(fd: int, steps: str, path: str, links: int) -> int:
    """Go on from *fd*, which is closed, by *steps*, through at most *links* symlinks."""
    left = steps.split("/")[::-1]
    try:
        while left:
            step = left.pop()
            if step in ("", "."):
                continue
            try:
                inner = os.open(step, _STEP, dir_fd=fd)
            except NotADirectoryError:
                links -= 1
                target = _link(fd, step, links)
                left += target.split("/")[::-1]
                if not target.startswith("/"):
                    continue
                inner = os.open("/", _STEP)
            os.close(fd)
            fd = inner
    except OSError as error:
        os.close(fd)
        error.filename = path
        raise
    return fd


def _link(fd: int, step: str, links: int) -> str:
    """Where the symlink *step* in the directory *fd* leads, if it may be followed."""
    link, around = os.stat(step, dir_fd=fd, follow_symlinks=False), os.fstat(fd)
    if not stat.S_ISLNK(link.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if links < 0:
        raise OSError(errno.ELOOP, f"{step} on the way is a symlink")
    ours = (0, os.geteuid())
    for info, whose in ((link, "made by"), (around, "in a directory of")):
        if info.st_uid not in ours:
            raise OSError(errno.ELOOP, f"{step} on the way is a symlink {whose} {user_name(info.st_uid)}")
    if writers(around) and not around.st_mode & stat.S_ISVTX:
        raise OSError(errno.ELOOP, f"{step} on the way is a symlink that others may exchange")
    return os.readlink(step, dir_fd=fd)
