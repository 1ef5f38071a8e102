"""Announcements in a file: what is there, putting it there, and whether others can read it."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from certctl.announce.tools import Tools
from certctl.errors import CertctlError
from certctl.planning.observed import FileSeen
from certctl.planning.spec import AnnouncerSpec
from certctl.store import outputs


class Found(NamedTuple):
    """An announcer's file as it is."""

    data: bytes | None
    problem: str | None
    """What is wrong with its kind, mode or owner."""
    seen: FileSeen


def look(spec: AnnouncerSpec) -> Found:
    """Raises CertctlError where mode and owner cannot be as configured."""
    wanted = outputs.target(spec.path, spec.mode, spec.owner, spec.group, secret=False)
    problem = outputs.attributes_problem(wanted, outputs.lstat(spec.path))
    data = outputs.read(spec.path)
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    return Found(data, problem, FileSeen(spec.path, problem, spec.hooks, digest))


def put(spec: AnnouncerSpec, data: bytes) -> None:
    """Durably replace the announcer's file. Raises CertctlError."""
    outputs.write(outputs.target(spec.path, spec.mode, spec.owner, spec.group, secret=False), data)


def unreadable(tools: Tools, spec: AnnouncerSpec, data: bytes) -> str | None:
    """Why *data* cannot be read at the announcer's URL; None: it can, or there is no URL."""
    if not spec.check:
        return None
    try:
        got = tools.fetch(spec.check)
    except CertctlError as error:
        return error.message
    return None if got == data else f"{spec.check} does not show what {spec.path} holds"


class Stopwatch:
    """The time of a pass, that goes on while something is done: adapters have no clock of their own."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._begin = time.monotonic()

    def now(self) -> datetime:
        moment = self._now + timedelta(seconds=time.monotonic() - self._begin)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
