"""What the system refuses, in words, and what to type."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from certctl.errors import StoreError
from certctl.store.batch import File


@contextlib.contextmanager
def failing(path: str, verb: str = "write") -> Iterator[None]:
    """Turn an OSError into a StoreError that names *path*."""
    try:
        yield
    except OSError as error:
        raise failure(error, path, verb) from error


def failure(error: OSError, path: str, verb: str = "write") -> StoreError:
    """The StoreError of *error* at *path*."""
    what = error.strerror or str(error)
    what = what[:1].lower() + what[1:]
    return StoreError(f"cannot {verb} {path}: {what}", _hint(error, path))


def check_held(info: os.stat_result, file: File) -> None:
    """Raise StoreError if a file system took the mode and owner of *file*, and gave it others: some do."""
    have = stat.S_IMODE(info.st_mode)
    if have != file.mode:
        what = f"mode {have:04o}, not {file.mode:04o}"
    elif file.uid not in (-1, info.st_uid) or file.gid not in (-1, info.st_gid):
        what = f"owner {info.st_uid}:{info.st_gid}, whatever is asked for"
    else:
        return
    raise StoreError(
        f"refused to write {file.path}: its file system gives it {what}",
        f"keep it on one with modes and owners of its own: findmnt -T {os.path.dirname(file.path)}",
    )


def _hint(error: OSError, path: str) -> str | None:
    import errno

    directory = os.path.dirname(path)
    if error.errno == errno.ENOENT:
        return f"make its directory: install -d -m 0755 {directory}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"free some room: df -h {directory}; df -i {directory}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"run certctl as a user who may write in {directory} (mostly root), or mend its mode"
    if error.errno == errno.EROFS:
        return _read_only(directory)
    if error.errno == errno.ELOOP:
        return f"see who can lead certctl elsewhere: namei -l {directory}"
    if error.errno == errno.EIO:
        return "the disk reports errors: look at dmesg before anything else"
    return None


def _read_only(directory: str) -> str:
    from certctl.system import unit

    service = unit.own()
    if service is None:
        return f"{directory} is mounted read-only: findmnt -T {directory}"
    return (
        f"{service} may write only where {unit.dropin(service)} says, else in a few places: "
        f"{unit.mending(service, os.environ.get('CERTCTL_CONFIG', unit.CONFIG))}"
    )
