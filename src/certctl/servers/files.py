"""Reads a file that a server's configuration names, or says why it cannot be read."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from certctl.errors import UnreadableError
from certctl.system.files import read_with_info


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
        found = read_with_info(path, follow=True)
    except UnreadableError as error:
        why = os.strerror(error.errno).lower() if error.errno else "it is not a regular file"
        return Unreadable(path, "unreadable", f"{path} cannot be read: {why}")
    except ValueError:
        return Unreadable(path, "unreadable", f"{path!r} is no file name")
    if found is None:
        return Unreadable(path, "missing", f"{path} does not exist")
    data, info = found
    return Content(path, data, stat.S_IMODE(info.st_mode), info.st_uid)


def read_text(path: str) -> str | None:
    """The file's text; None if it cannot be read."""
    content = read(path)
    return content.data.decode("utf-8", "surrogateescape") if isinstance(content, Content) else None
