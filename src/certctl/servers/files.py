"""Reads a file that a server's configuration names, or says why it cannot be read."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

_LARGEST = 16 << 20


class Content(NamedTuple):
    """What is in a file, and who may do what with it."""

    path: str
    data: bytes
    mode: int
    uid: int | None = None


class Unreadable(NamedTuple):
    """Why there is no content."""

    path: str
    kind: str
    """missing | unreadable"""
    message: str


def read(path: str) -> Content | Unreadable:
    """Read *path*; devices, pipes and huge files are not read."""
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its other end.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Unreadable(path, "missing", f"{path} does not exist")
    except OSError as error:
        return Unreadable(path, "unreadable", f"{path} cannot be read: {(error.strerror or '').lower()}")
    except ValueError:
        return Unreadable(path, "unreadable", f"{path!r} is no file name")
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return Unreadable(path, "unreadable", f"{path} is not a regular file")
        if info.st_size > _LARGEST:
            return Unreadable(
                path, "unreadable", f"{path} is {info.st_size} bytes large: that is no such file"
            )
        with open(fd, "rb", closefd=False) as file:
            return Content(path, file.read(_LARGEST), stat.S_IMODE(info.st_mode), info.st_uid)
    except OSError as error:
        return Unreadable(path, "unreadable", f"{path} cannot be read: {(error.strerror or '').lower()}")
    finally:
        os.close(fd)


def read_text(path: str) -> str | None:
    """The file's text; None if it cannot be read."""
    content = read(path)
    return content.data.decode("utf-8", "surrogateescape") if isinstance(content, Content) else None
