"""Is a file or a directory safe: may only root and ourselves change it, or put another in its place?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from certctl.errors import CertctlError

MAX_LINKS = 40  # as the kernel's own limit, path_resolution(7)


def check_safe_executable(path: str, what: str = "the program") -> None:
    """Raise CertctlError if somebody besides root and the current user could change what *path* runs.

    Looked at are the file and every directory and symbolic link on the way to
    it. Each must be owned by root or the current user, and be writable by its
    owner only; its owner's private group may write, and root's group directories.
    A directory that others may write is accepted if it is sticky, as /tmp is:
    nobody else can then replace what is ours in it. ACLs are not read: their
    mask shows as the group's bits. *what* is what messages call it.
    """
    for step in _steps(path, what):
        if isinstance(step, OSError):
            absent = isinstance(step, FileNotFoundError)
            why = "does not exist" if absent else f"cannot be seen: {step.strerror}"
            where = _step(str(step.filename), path, "to run")
            raise CertctlError(f"{what} {where} {why}", hint=f"namei -l {path}") from step
        _check(*step, path, what, "to run")


def check_safe_place(path: str, what: str, use: str) -> None:
    """Raise CertctlError if somebody besides root and the current user could rename or exchange *path*.

    As `check_safe_executable`, for a directory or a file that need not exist yet: what
    is there of the way to it is looked at. *use* says what it would be used for.
    """
    for step in _steps(path, what):
        if not isinstance(step, OSError):
            _check(*step, path, what, use)
        elif not isinstance(step, FileNotFoundError):
            raise CertctlError(
                f"{what} {path} cannot be seen: {step.strerror}", hint=f"namei -l {path}"
            ) from step


def _steps(path: str, what: str) -> Iterator[tuple[str, os.stat_result] | OSError]:
    """Every directory and symbolic link on the way to *path*, and itself; the last may be one unseen."""
    # Not abspath(): it would take "link/.." away, which the kernel does not.
    left = os.path.join(os.getcwd(), path).split("/")[::-1]
    current, links = "/", 0
    yield current, os.lstat(current)
    while left:
        step = left.pop()
        if step == "..":
            current = os.path.dirname(current)
        elif step not in ("", "."):
            entry = os.path.join(current, step)
            try:
                found = os.lstat(entry)
            except OSError as error:
                yield error
                return
            yield entry, found
            if not stat.S_ISLNK(found.st_mode):
                current = entry
                continue
            links += 1
            if links > MAX_LINKS:
                raise CertctlError(f"{what} {path}: too many symbolic links", hint=f"namei -l {path}")
            target = os.readlink(entry)
            current = "/" if target.startswith("/") else current
            left += target.split("/")[::-1]


def _check(entry: str, found: os.stat_result, path: str, what: str, use: str) -> None:
    """Raise CertctlError if *entry*, a step on the way to *path*, is not safe."""
    if found.st_uid not in (0, os.geteuid()):
        raise CertctlError(
            f"{what} {_step(entry, path, use)} belongs to {user_name(found.st_uid)}, "
            "neither to root nor to whoever runs certctl",
            hint=f"chown -h {user_name(os.geteuid())} {entry}",
        )
    letters = "" if stat.S_ISLNK(found.st_mode) else writers(found)
    if letters and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        who = "its group" if letters == "g" else "everybody"
        raise CertctlError(
            f"{what} {_step(entry, path, use)} may be written by {who}", hint=f"chmod {letters}-w {entry}"
        )


def _step(entry: str, path: str, use: str) -> str:
    return path if entry == path else f"{path} is not safe {use}: {entry}"


def writers(found: os.stat_result) -> str:
    """Which of `g` and `o`, in the words of chmod(1), may write and should not.

    The group root may have members who are not root, so it may not write programs;
    directories are commonly its own.
    """
    of_root = found.st_gid == 0
    trusted = stat.S_ISDIR(found.st_mode) if of_root else _is_private(found.st_gid, found.st_uid)
    group = found.st_mode & stat.S_IWGRP and not trusted
    return ("g" if group else "") + ("o" if found.st_mode & stat.S_IWOTH else "")


def _is_private(gid: int, uid: int) -> bool:
    """True if *gid* is the group that bears its user's name and has no other member.

    Where every user has such a group, the umask is often 002.
    """
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
