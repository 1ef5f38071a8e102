"""When a CA is asked: how soon and how often, and not at all while it wants a pause."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from math import ceil
from typing import NamedTuple, TypeVar

from certctl.errors import CertctlError, IssuerError
from certctl.planning.times import after, duration_text, parse_rfc3339, rfc3339
from certctl.store import atomic
from certctl.system.deadline import left

Seen = TypeVar("Seen")

SOON = 0.01
PER_ORDER = 0.002
PER_ANSWER = 1.0
"""Seconds; for every order under way; times what an answer takes of late."""
DEAR = 2.5
"""Times as much where a poll that comes too early costs a whole Retry-After."""
SHORT, LONG = 0.25, 5.0
SHARE = 1 / 10
"""Between polls: seconds; how much of the time that was waited already a poll may come too late."""


class Pace:
    """Tells when to ask first.

    The more orders are under way, the longer the CA takes for each, and one that answers slowly
    validates slowly.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders = 0
        self._answer = 0.0

    @contextlib.contextmanager
    def order(self) -> Iterator[None]:
        """Count an order as under way within the context."""
        with self._lock:
            self._orders += 1
        try:
            yield
        finally:
            with self._lock:
                self._orders -= 1

    def note(self, seconds: float) -> None:
        """Learn how long an answer took."""
        with self._lock:
            self._answer += (seconds - self._answer) / 8

    def soon(self, *, dear: bool = False) -> float:
        """Return the seconds before a first poll; *dear*: of a CA that is known to name a Retry-After."""
        seconds = SOON + PER_ORDER * self._orders + PER_ANSWER * self._answer
        return seconds * DEAR if dear else seconds


def longer(pause: float, waited: float) -> float:
    """Return the pause after one of *pause* seconds, *waited* seconds after the first poll was due.

    For a CA that names no Retry-After: short pauses double, later ones are a share of the wait.
    """
    return min(pause * 2, max(SHORT, waited * SHARE), LONG)


class Patience:
    """Paces the polls of one order: soon at first, then as the CA says, and not for ever."""

    def __init__(self, seconds: float, what: str, pace: Pace) -> None:
        """*seconds* until it ends; *what* is waited for, for the message."""
        self._pace = pace
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._what = what

    def poll(
        self,
        ask: Callable[[], Seen],
        done: Callable[[Seen], bool],
        wish: Callable[[Seen], float | None],
        *,
        first: float | None = None,
        dear: bool = False,
    ) -> Seen:
        """Return the first answer of *ask* that is *done*; *wish* is the Retry-After of one that is not.

        *first*: the Retry-After that came with the request whose outcome is asked for; *dear*: the CA is
        known to name one with answers that are not *done*. Nothing is asked for sooner than the CA said
        with the answer before (RFC 8555 §7.4, §7.5.1).
        """
        pause = first or self._pace.soon(dear=dear)
        began = time.monotonic()
        while True:
            self.wait(pause)
            seen = ask()
            if done(seen):
                return seen
            pause = wish(seen) or longer(pause, time.monotonic() - began)

    def until(self, event: Callable[[float], object], seconds: float) -> None:
        """Let *event* wait, for at most *seconds* and never beyond the end."""
        event(max(min(seconds, self._deadline - time.monotonic()), 0.0))

    def wait(self, seconds: float) -> None:
        """Wait; raise `IssuerError` instead if the time would be over."""
        if left(seconds) < seconds:
            raise IssuerError(
                f"{self._what} is not done, and this pass has no time left to wait for it",
                "the next pass goes on with the same order",
                retry_after=seconds,
            )
        if time.monotonic() + seconds > self._deadline:
            raise IssuerError(
                f"{self._what} was not done after {self._seconds:g} s",
                "the next pass goes on with the same order; a slow CA wants a longer validation_timeout",
                retry_after=seconds,
            )
        time.sleep(seconds)


FILE = "pause.json"
LONGEST_PAUSE = 3600.0
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
        until = after(datetime.now(timezone.utc), min(wanted or UNSAID, LONGEST_PAUSE))
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
            if not 0 < left <= LONGEST_PAUSE:  # it is over, or the clock was set back
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
