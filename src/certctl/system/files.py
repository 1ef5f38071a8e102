"""Reading files that may be missing, unreadable, or somebody's trap: one bounded reader for all of certctl.

Missing is proved, never assumed: only ENOENT and ENOTDIR mean that there is no
file. Whatever else the system answers is an `UnreadableError`, which names the
path and the errno, and from which nobody may conclude that something is lost.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from certctl.errors import UnreadableError

MOST = 16 * 1024 * 1024
"""Bytes: no file that certctl reads whole is nearly as large."""

_LAST_VERSION = 10**12
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def unreadable(error: OSError, path: str) -> UnreadableError:
    """What *error* says of *path*, as an error to tell; its errno stays known by name."""
    code = errno.errorcode.get(error.errno or 0, "?")
    why = (error.strerror or str(error)).lower()
    return UnreadableError(f"cannot read {path}: {why} ({code})", error.errno)


def refuse_newer(document: object, path: str, version: int = 1) -> None:
    """Raise UnreadableError where a certctl that writes a later *version* wrote the *document* at *path*.

    It must not be taken for damage, nor be overwritten: it may hold what this one would forget.
    """
    found = document.get("version") if isinstance(document, dict) else None
    if isinstance(found, int) and not isinstance(found, bool) and version < found <= _LAST_VERSION:
        raise UnreadableError(f"{path} was written by a newer certctl")


def read_file(path: str, *, most: int = MOST, follow: bool = False) -> bytes | None:
    """The content of a regular file; None where there is none.

    Never blocks on a FIFO and reads at most *most* bytes. *follow*: a symlink at
    the end of the path is followed. Raises UnreadableError for what is there and
    cannot be read, is no regular file, or is too large.
    """
    found = read_with_info(path, most=most, follow=follow)
    return None if found is None else found[0]


def read_with_info(
    path: str, *, most: int = MOST, follow: bool = False
) -> tuple[bytes, os.stat_result] | None:
    """The same, with mode and owner of the very file that was read."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise unreadable(error, path) from error
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise UnreadableError(f"cannot read {path}: it is not a regular file", None)
        if info.st_size > most:
            raise UnreadableError(f"cannot read {path}: it has more than {most} bytes", errno.EFBIG)
        return _read(fd, info.st_size, most, path), info
    except OSError as error:
        raise unreadable(error, path) from error
    finally:
        os.close(fd)


def _read(fd: int, size: int, most: int, path: str) -> bytes:
    """All of *fd*, probably *size* bytes; files of /proc say that they have none."""
    parts, had = [], 0
    while part := os.read(fd, max(size - had, 4096) + 1):
        parts.append(part)
        had += len(part)
        if had == size:
            break
        if had > most:
            raise UnreadableError(f"cannot read {path}: it has more than {most} bytes", errno.EFBIG)
    return b"".join(parts)


def read_given(path: str) -> bytes:
    """The content of a file that a person named; ``-`` is standard input. Raises UnreadableError."""
    if path in ("-", "/dev/stdin"):
        try:
            return _read(0, 0, MOST, path)
        except OSError as error:
            raise unreadable(error, path) from error
    data = read_file(path, follow=True)
    if data is None:
        raise unreadable(OSError(errno.ENOENT, os.strerror(errno.ENOENT)), path)
    return data


def entries(path: str) -> list[str]:
    """The names in a directory, sorted; none where it is not there. Raises UnreadableError."""
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise unreadable(error, path) from error


def info(path: str, *, follow: bool = False) -> os.stat_result | None:
    """lstat(2), stat(2) where links are to be followed; None: there is nothing. Raises UnreadableError."""
    try:
        return os.stat(path) if follow else os.lstat(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise unreadable(error, path) from error


def is_directory(path: str) -> bool:
    """Whether there is a directory, or a link to one. Raises UnreadableError."""
    found = info(path, follow=True)
    return found is not None and stat.S_ISDIR(found.st_mode)


def below(directory: str) -> Iterator[str]:
    """Every file and link below *directory*, in order; links are not followed. Raises UnreadableError."""

    def refused(error: OSError) -> None:
        if error.errno not in _ABSENT:
            raise unreadable(error, error.filename or directory) from error

    for top, directories, names in os.walk(directory, onerror=refused):
        directories.sort()
        yield from (os.path.join(top, name) for name in sorted(names))


def link_target(path: str) -> str | None:
    """Where a symlink points; None where there is nothing, or something else. Raises UnreadableError."""
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (*_ABSENT, errno.EINVAL):
            return None
        raise unreadable(error, path) from error
