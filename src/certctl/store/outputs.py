"""Configured files: what they should be, what they are, and writing them where they belong."""

import errno
import os
import stat
from typing import NamedTuple

from certctl.errors import CertctlError, StoreError, UnreadableError
from certctl.store import atomic
from certctl.system import files
from certctl.system.safety import check_safe_place


class Target(NamedTuple):
    """A file with its final mode and owner; -1: whoever makes it."""

    path: str
    mode: int
    uid: int = -1
    gid: int = -1
    secret: bool = False
    """Whether it holds a private key."""
    keys_known: bool = False
    """Whether it may hold a key now: whoever writes has looked which one (store.unknown)."""


_SOMETHING_ELSE = (None, errno.ELOOP, errno.ENXIO, errno.EFBIG)
"""What reading says of anything but a regular file (None), of links, of sockets, and of what is too large."""

_users: dict[str, int] = {}
_groups: dict[str, int] = {}


def target(path: str, mode: int, owner: str | None, group: str | None, *, secret: bool) -> Target:
    """Look up owner and group; without them it is whoever runs certctl, and their group.

    Raises CertctlError where one does not exist.
    """
    return Target(path, mode, _uid(owner, path), _gid(group, path), secret)


def _uid(owner: str | None, path: str) -> int:
    if owner is None:
        return os.geteuid()
    if owner not in _users:
        import pwd

        try:
            _users[owner] = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        except KeyError:
            raise CertctlError(
                f"the owner of {path} is to be {owner}, but there is no such user",
                f"getent passwd {owner}; correct owner in the configuration",
                transient=False,
            ) from None
    return _users[owner]


def _gid(group: str | None, path: str) -> int:
    if group is None:
        return os.getegid()
    if group not in _groups:
        import grp

        try:
            _groups[group] = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
        except KeyError:
            raise CertctlError(
                f"the group of {path} is to be {group}, but there is no such group",
                f"getent group {group}; correct group in the configuration",
                transient=False,
            ) from None
    return _groups[group]


def attributes_problem(wanted: Target, info: os.stat_result | None) -> str | None:
    """What is wrong with a file's kind, mode or owner, for the reason of a step; None: nothing."""
    if info is None:
        return directory_missing(wanted.path) or "is missing"
    if stat.S_ISLNK(info.st_mode):
        return "is a symlink, not a file"
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    mode = stat.S_IMODE(info.st_mode)
    if mode != wanted.mode:
        return f"has mode {mode:04o}, not {wanted.mode:04o}"
    if wanted.uid not in (-1, info.st_uid):
        return f"belongs to {user_name(info.st_uid)}, not {user_name(wanted.uid)}"
    if wanted.gid not in (-1, info.st_gid):
        return f"has group {group_name(info.st_gid)}, not {group_name(wanted.gid)}"
    if wanted.secret and _has_acl(wanted.path):
        return "has an access control list"
    return None


def _has_acl(path: str) -> bool:
    """Whether others than mode, owner and group say may read *path*, acl(5)."""
    try:
        return bool(os.getxattr(path, "system.posix_acl_access", follow_symlinks=False))
    except OSError:
        return False  # the file system has none


def user_name(uid: int) -> str:
    """The user's name; the number where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The group's name; the number where there is none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def lstat(path: str) -> os.stat_result | None:
    """lstat(2), or None where there is nothing. Raises UnreadableError for what cannot be looked at."""
    return files.info(path)


def read(path: str) -> bytes | None:
    """The content of a regular file; None where there is none, or something that certctl never wrote.

    That is a symlink, which is not followed, a directory, a FIFO, or what is far too
    large. Raises UnreadableError where it cannot be told.
    """
    try:
        return files.read_file(path)
    except UnreadableError as error:
        if error.errno in _SOMETHING_ELSE:
            return None
        raise


def write(wanted: Target, data: bytes) -> None:
    """Durably put *data* in its place. Raises StoreError, also for a directory that is no safe place."""
    atomic.commit(batch(wanted, data))


def batch(wanted: Target, data: bytes) -> atomic.Batch:
    """*data* in its place, for `atomic.commit`. Raises StoreError for a place that is no safe one."""
    check_directory(wanted)
    info = lstat(wanted.path)
    if info is not None and stat.S_ISDIR(info.st_mode):
        raise StoreError(f"{wanted.path} is a directory, not a file", "correct path")
    if info is not None and not wanted.keys_known and b"PRIVATE KEY-----" in (read(wanted.path) or b""):
        raise StoreError(
            f"{wanted.path} holds a private key, and is not replaced",
            f"choose another path, or move it away: mv {wanted.path} {wanted.path}.aside",
        )
    return atomic.Batch().file(wanted.path, data, wanted.mode, wanted.uid, wanted.gid)


def directory_missing(path: str) -> str | None:
    """For the reason of a step: that the directory of a file is not there; None: it is."""
    directory = os.path.dirname(path)
    if os.path.lexists(directory):
        return None
    return f"is missing, and so is its directory: install -d -m 0755 {directory}"


def check_directory(wanted: Target) -> None:
    """Refuse a directory that is missing, or in which others could exchange the file."""
    directory = os.path.dirname(wanted.path)
    try:
        info = os.stat(directory)
    except FileNotFoundError:
        raise StoreError(
            f"cannot write {wanted.path}: its directory {directory} does not exist",
            f"make it: install -d -m 0755 {directory}",
        ) from None
    except OSError as error:
        raise StoreError(f"cannot write {wanted.path}: {(error.strerror or str(error)).lower()}") from error
    if not stat.S_ISDIR(info.st_mode):
        raise StoreError(f"cannot write {wanted.path}: {directory} is not a directory", "correct path")
    sticky = bool(info.st_mode & stat.S_ISVTX)
    if info.st_mode & stat.S_IWOTH and not sticky:
        raise StoreError(
            f"refused to write {wanted.path}: anybody may write in {directory}", f"chmod o-w {directory}"
        )
    if wanted.secret and info.st_uid not in (0, os.geteuid()):
        raise StoreError(
            f"refused to write a key to {wanted.path}: {directory} belongs to {user_name(info.st_uid)}",
            f"chown root {directory}, or choose a directory of root's",
        )
    strange = info.st_gid not in (0, os.getegid())
    if wanted.secret and info.st_mode & stat.S_IWGRP and strange and not sticky:
        raise StoreError(
            f"refused to write a key to {wanted.path}: "
            f"group {group_name(info.st_gid)} may write in {directory}",
            f"chmod g-w {directory}",
        )
    if wanted.secret:
        check_safe_place(directory, "directory", "for keys")


def check_readable(directory: str) -> None:
    """Raise StoreError where *directory* is there, and somebody else's business."""
    if lstat(directory) is not None and not os.access(directory, os.R_OK | os.X_OK):
        raise StoreError(
            f"cannot look into {directory}: permission denied",
            f"run certctl as its owner (mostly root): ls -ld {directory}",
        )
