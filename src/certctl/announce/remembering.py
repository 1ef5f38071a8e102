"""Around every kind of announcer: that it failed, or that somebody could not see it, outlives the process."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from certctl.announce import memory
from certctl.announce.tools import Asked, Kind
from certctl.errors import CertctlError, StoreError
from certctl.planning import pins, retry
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced
from certctl.planning.spec import HOUR, MINUTE
from certctl.planning.state import Failure, Observation

NOTE = "asked.json"
RETRY = (30.0, HOUR)
"""Seconds until a failed announcement is tried again: at first, and at most."""
ASK = (2.0, 5 * MINUTE)
"""The same until it is looked again whether what is shown can be seen."""


def asked(home: str) -> list[Asked]:
    """The servers that were asked last, and what they had; *home*: the directory of the announcer."""
    return _asked(memory.load(os.path.join(home, NOTE)))


class Remembering:
    """An announcer as the engine knows it, made of one kind and one note on disk."""

    def __init__(self, kind: Kind, home: str) -> None:
        self.spec = kind.spec
        self._kind = kind
        self._path = os.path.join(home, NOTE)
        self._put_back: frozenset[str] = frozenset()

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What is shown, with what is remembered of failures and of those who could not see it."""
        try:
            seen = self._kind.observe(wanted)
        except CertctlError:
            # The step that is due then fails for the same reason, and that is told.
            seen = AnnouncerSeen({name: pins.digest(entry) for name, entry in wanted.items()})
        note = memory.load(self._path)
        unseen = {
            name: why
            for name, why in memory.texts(note.get("unseen")).items()
            if name in seen.wanted and seen.wanted[name] == seen.shown.get(name)
        }
        return seen._replace(
            unseen=unseen,
            ask_at=memory.moment(note.get("ask_at")) if unseen else None,
            failure=self._failure(note, wanted),
        )

    def publish(self, wanted: Mapping[str, Announced], now: datetime) -> Mapping[str, Observation]:
        """Show *wanted*; a failure is kept with the moment of the next try, and raised.

        What only could not be taken back is kept as a failure, too, and not raised.
        """
        note = memory.load(self._path)
        try:
            shown = self._kind.show(wanted, now)
        except CertctlError as error:
            self._keep_failure(note, self._failure(note, wanted), wanted, error, now)
            raise
        self._put_back = shown.put_back
        attempts = memory.number(note.get("attempts")) + 1 if shown.unseen else 0
        ask_at = retry.back_off(attempts, *ASK, now) if shown.unseen else None
        new = {
            "version": 1,
            "failure": None,
            "unseen": dict(shown.unseen),
            "attempts": attempts,
            "ask_at": memory.moment_text(ask_at),
            **({"asked": [server._asdict() for server in shown.asked]} if shown.asked else {}),
        }
        if shown.problem is not None:
            self._keep_failure(new, self._failure(note, wanted), wanted, shown.problem, now)
        elif new != note and (note or shown.unseen or shown.asked):
            memory.save(self._path, new)
        return shown.observations

    def witnesses(self) -> Sequence[str]:
        """The servers that were asked last, each with the serial that it had."""
        return [str(server) for server in _asked(memory.load(self._path))]

    def put_back(self) -> frozenset[str]:
        """What the last `publish` had to show again."""
        return self._put_back

    def _basis(self, wanted: Mapping[str, Announced]) -> str:
        """What an announcement is tried with: when it changes, a back-off is over."""
        what = (self.spec, sorted(pins.digest(entry) for entry in wanted.values()), _place(self.spec.path))
        return f"{zlib.crc32(repr(what).encode()):08x}"

    def _failure(self, note: Mapping[str, Any], wanted: Mapping[str, Announced]) -> Failure | None:
        found = note.get("failure")
        at = memory.moment(found.get("at")) if isinstance(found, dict) else None
        if not isinstance(found, dict) or at is None:
            return None
        same = found.get("basis") == self._basis(wanted)
        return Failure(
            "announce",
            self.spec.name,
            str(found.get("message", "")),
            found.get("hint"),
            at,
            memory.number(found.get("attempts")),
            memory.moment(found.get("retry_at")) if same else None,
        )

    def _keep_failure(
        self,
        note: Mapping[str, Any],
        before: Failure | None,
        wanted: Mapping[str, Announced],
        error: CertctlError,
        now: datetime,
    ) -> None:
        attempts = before.attempts + 1 if before else 1
        retry_at = retry.back_off(attempts, *RETRY, now, error.retry_after)
        failure = {
            "message": error.message,
            "hint": error.hint,
            "at": memory.moment_text(now),
            "attempts": attempts,
            "retry_at": memory.moment_text(retry_at),
            "basis": self._basis(wanted),
        }
        try:
            memory.save(self._path, {**note, "version": 1, "failure": failure})
        except StoreError:
            # A disk that takes nothing must not hide what went wrong before; the
            # daemon looks again in a minute.
            return


def _place(path: str) -> tuple[int, ...] | None:
    """What the directory of *path* is: one that was made or mended is tried at once. None: there is none."""
    try:
        info = os.stat(os.path.dirname(path))
    except OSError:
        return None
    return info.st_ino, info.st_mode, info.st_uid, info.st_gid


def _asked(note: Mapping[str, Any]) -> list[Asked]:
    rows = note.get("asked")
    found = []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("address"), str):
            serial, problem = row.get("serial"), row.get("problem")
            found.append(
                Asked(
                    row["name"],
                    row["address"],
                    memory.number(serial) if serial is not None else None,
                    problem if isinstance(problem, str) else None,
                )
            )
    return found
