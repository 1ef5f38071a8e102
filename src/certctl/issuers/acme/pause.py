"""The pause that a CA asked for (429, Retry-After), kept for the processes that come after this one."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from datetime import datetime, timezone
from math import ceil
from typing import NamedTuple

from certctl.errors import CertctlError, IssuerError
from certctl.planning.times import after, duration_text, parse_rfc3339, rfc3339
from certctl.store import atomic

FILE = "pause.json"
LONGEST = 3600.0
"""One limit of a CA may be about one name only and last for days: the others ask again after this."""
UNSAID = 60.0
"""After a 429 that does not say how long."""


class _Asked(NamedTuple):
    """What is in the file."""

    directory: str
    until: datetime
    why: str


class Pause:
    """Keeps orders back for as long as the CA wants; one for all threads that speak to it."""

    def __init__(self, name: str, directory: str, home: str) -> None:
        """*name*: the issuer's, for messages; *directory*: the CA's URL; *home*: where the file goes;
        empty: it is for this process alone."""
        self._name = name
        self._directory = directory
        self._path = os.path.join(home, FILE) if home else ""
        self._lock = threading.Lock()
        self._asked: _Asked | None = None
        self._looked = False

    def note(self, wanted: float | None, why: str) -> None:
        """Begin a pause of *wanted* seconds, unless a longer one is on already."""
        until = after(datetime.now(timezone.utc), min(wanted or UNSAID, LONGEST))
        with self._lock:
            if self._asked is not None and self._asked.until >= until:
                return
            self._asked, self._looked = _Asked(self._directory, until, why), True
            if not self._path:
                return
            text = json.dumps({**self._asked._asdict(), "until": rfc3339(until)}, indent=2) + "\n"
            # A disk that takes no note must not hide what the CA said; this process knows it anyway.
            with contextlib.suppress(CertctlError):
                atomic.make_directory(os.path.dirname(self._path))
                atomic.write(self._path, text.encode(), 0o600)

    def check(self) -> None:
        """Raise the CA's own wish again while the time it asked for is not over."""
        with self._lock:
            if not self._looked:
                self._asked, self._looked = self._read(), True
            asked = self._asked
            if asked is None:
                return
            left = (asked.until - datetime.now(timezone.utc)).total_seconds()
            if not 0 < left <= LONGEST:  # it is over, or the clock was set back
                self._asked = None
                if self._path:
                    atomic.remove(self._path)
                return
        raise IssuerError(
            f"{self._name} asked for a pause, {duration_text(ceil(left))} of it are left: {asked.why}",
            "nothing is to be done: the next pass after that goes on",
            retry_after=left,
        )

    def _read(self) -> _Asked | None:
        """Return what an earlier process was told by the same CA; a damaged file says nothing."""
        try:
            with open(self._path, "rb") as file:
                found = json.load(file)
            asked = _Asked(str(found["directory"]), parse_rfc3339(str(found["until"])), str(found["why"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return asked if asked.directory == self._directory else None
