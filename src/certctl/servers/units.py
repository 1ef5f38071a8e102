"""certctl's systemd units as they are installed, with their drop-ins: what they may write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.system.files import read_file, unreadable
from certctl.system.unit import CONFIG, HOME, SERVICES

DIRECTORIES = (
    HOME,
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""The first that has a file of a name counts (systemd.unit(5))."""

_VARIABLE = "CERTCTL_CONFIG="
_OWN = {"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log"}


class Unit(NamedTuple):
    """A unit that is installed: systemd.exec(5) as far as certctl's own units use it."""

    name: str
    path: str
    config: str
    """The certctl.toml that it is about."""
    writable: tuple[str, ...] = ("/",)
    """Directories in and below which it may write."""

    def may_write(self, path: str) -> bool:
        """Whether *path*, a directory, is among them; where symlinks lead counts."""
        path = os.path.realpath(path)
        return any(os.path.commonpath([path, one]) == one for one in map(os.path.realpath, self.writable))


def installed(directories: Sequence[str] = DIRECTORIES) -> list[Unit]:
    """Those of certctl's units that there are. Raises UnreadableError."""
    units = []
    for name in SERVICES:
        path = next((path for at in directories if os.path.exists(path := os.path.join(at, name))), None)
        if path is not None:
            units.append(_unit(name, path, directories))
    return units


def _unit(name: str, path: str, directories: Sequence[str]) -> Unit:
    strict, config = False, CONFIG
    paths: list[str] = []
    own: list[str] = []
    for file in (path, *_dropins(name, directories)):
        for key, value in _settings(file):
            if key == "ProtectSystem":
                strict = value == "strict"
            elif key == "Environment":
                for word in _words(value):
                    if word.startswith(_VARIABLE):
                        config = word.removeprefix(_VARIABLE)
            elif key == "ReadWritePaths":
                paths = [*paths, *(word.lstrip("-+") for word in _words(value))] if value else []
            elif key in _OWN:
                own += [os.path.join(_OWN[key], word) for word in _words(value)]
    return Unit(name, path, config, (*own, *paths) if strict else ("/",))


def _dropins(name: str, directories: Sequence[str]) -> list[str]:
    found: dict[str, str] = {}
    for directory in directories:
        at = os.path.join(directory, f"{name}.d")
        try:
            names = os.listdir(at)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise unreadable(error, at) from error
        for file in names:
            if file.endswith(".conf"):
                found.setdefault(file, os.path.join(at, file))
    return [path for _, path in sorted(found.items())]


def _settings(path: str) -> Iterator[tuple[str, str]]:
    """Keys and values of the section Service, in order."""
    text = (read_file(path, follow=True) or b"").decode("utf-8", "replace").replace("\\\n", " ")
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line[:1] not in ("#", ";") and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _words(value: str) -> list[str]:
    import shlex

    try:
        return [word.replace("%%", "%") for word in shlex.split(value)]
    except ValueError:  # systemd ignores such a line
        return []
