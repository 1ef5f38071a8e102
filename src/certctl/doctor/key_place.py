"""Who may read a key, or put another in its place: the file itself, and every directory down to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from certctl.doctor.finding import Finding, Place
from certctl.servers.files import Content


def check_place(place: Place, content: Content) -> Iterator[Finding]:
    """Check the mode and owner of a file with a private key, and the directories above it."""
    yield from _check_mode(place, content)
    yield from _check_owner(place, content)
    yield from _check_directories(place, content.path)


def _check_mode(place: Place, content: Content) -> Iterator[Finding]:
    if content.mode & 0o007:
        yield place.error(
            "key-world-readable",
            f"{content.path} holds a private key, and everybody here may use it (mode {content.mode:04o})",
            f"chmod o-rwx {content.path}; who could read the key may keep it: certctl rotate NAME, "
            "which changes what peers pin, and says from when",
            content.path,
        )
    elif content.mode & 0o020:
        yield place.warning(
            "key-group-writable",
            f"{content.path} holds a private key that its group may replace (mode {content.mode:04o})",
            f"chmod g-w {content.path}",
        )


def _check_owner(place: Place, content: Content) -> Iterator[Finding]:
    """Postfix reads its keys as root, so nobody else need own them; others start as their own users."""
    if place.prefix == "postfix" and content.uid not in (0, os.geteuid(), None):
        yield place.warning(
            "key-owner",
            f"{content.path} holds a private key, and belongs to {_user(content.uid)}, who may replace it",
            f"chown root {content.path}",
        )


def _check_directories(place: Place, path: str) -> Iterator[Finding]:
    """Who may write in a directory may exchange what is in it, unless it is sticky."""
    directory = os.path.dirname(os.path.realpath(path))
    while True:
        try:
            info = os.stat(directory)
        except OSError:
            return
        sticky = info.st_mode & stat.S_ISVTX
        if info.st_mode & stat.S_IWOTH and not sticky:
            yield place.error(
                "key-directory-open",
                f"anybody here may put another key in the place of {path}: "
                f"{directory} has mode {stat.S_IMODE(info.st_mode):04o}",
                f"chmod o-w {directory}",
            )
        elif info.st_uid not in (0, os.geteuid()):
            yield place.warning(
                "key-directory-owner",
                f"{_user(info.st_uid)} may put another key in the place of {path}: {directory} is theirs",
                f"chown root {directory}",
            )
        if directory == "/":
            return
        directory = os.path.dirname(directory)


def _user(uid: int | None) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)
