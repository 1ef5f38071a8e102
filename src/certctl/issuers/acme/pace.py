"""How soon to ask what became of a request, and how often while the CA does not say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

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
