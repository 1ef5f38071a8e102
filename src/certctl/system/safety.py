"""Is a file safe to run: may only root and ourselves change it, or put another in its place?"""

from __future__ import annotations

import os
import stat

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
    # Not abspath(): it would take "link/.." away, which the kernel does not.
    steps = os.path.join(os.getcwd(), path).split("/")[::-1]
    current, links = "/", 0
    _check(current, path, what)
    while steps:
        step = steps.pop()
        if step == "..":
            current = os.path.dirname(current)
        elif step not in ("", "."):
            entry = os.path.join(current, step)
            if not stat.S_ISLNK(_check(entry, path, what).st_mode):
                current = entry
                continue
            links += 1
            if links > MAX_LINKS:
                raise CertctlError(f"{what} {path}: too many symbolic links", hint=f"namei -l {path}")
            target = os.readlink(entry)
            current = "/" if target.startswith("/") else current
            steps += target.split("/")[::-1]


def _check(entry: str, path: str, what: str) -> os.stat_result:
    """Return lstat(2) of *entry*, a step on the way to *path*, if it is safe."""
    try:
        found = os.lstat(entry)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        why = "does not exist" if absent else f"cannot be seen: {error.strerror}"
        raise CertctlError(f"{what} {_step(entry, path)} {why}", hint=f"namei -l {path}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise CertctlError(
            f"{what} {_step(entry, path)} belongs to {user_name(found.st_uid)}, "
            "neither to root nor to whoever runs certctl",
            hint=f"chown -h {user_name(os.geteuid())} {entry}",
        )
    letters = "" if stat.S_ISLNK(found.st_mode) else writers(found)
    if letters and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        who = "its group" if letters == "g" else "everybody"
        raise CertctlError(
            f"{what} {_step(entry, path)} may be written by {who}", hint=f"chmod {letters}-w {entry}"
        )
    return found


def _step(entry: str, path: str) -> str:
    return path if entry == path else f"{path} is not safe to run: {entry}"


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
