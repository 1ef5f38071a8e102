"""Reads below a directory, counted; and what happens when they fail, though what they read is there."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

ERRORS = (errno.EIO, errno.EACCES, errno.EMFILE, errno.ESTALE, errno.ENOMEM)
_CALLS = ("open", "stat", "lstat", "listdir", "scandir", "readlink", "read")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Read(NamedTuple):
    """One system call that reads."""

    name: str
    path: str


Fails = Callable[[int, Read], int]
"""Given the number of a read, from 1 on, and what it is: its errno, 0 where it succeeds."""


@contextlib.contextmanager
def reading(root: str, fails: Fails) -> Iterator[list[Read]]:
    """Let reads of *root* and below it fail as *fails* says; the list is of all of them."""
    seen: list[Read] = []
    where = os.readlink

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def read(target: Any = ".", *arguments: Any, **options: Any) -> Any:
            if name == "open" and arguments and arguments[0] & _WRITING:
                return call(target, *arguments, **options)
            path = where(f"/proc/self/fd/{target}") if name == "read" else target
            if isinstance(path, str) and (path == root or path.startswith(f"{root}/")):
                seen.append(Read(name, path))
                code = fails(len(seen), seen[-1])
                if code:
                    raise OSError(code, os.strerror(code), path)
            return call(target, *arguments, **options)

        return read

    with pytest.MonkeyPatch.context() as patch:
        for name in _CALLS:
            patch.setattr(os, name, watched(name, getattr(os, name)))
        yield seen
