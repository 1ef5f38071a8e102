"""What is done at once, and what is shared then: proofs, files, names that orders take turns at."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from certctl.system.pool import Pool

AT_ONCE = 6
"""Requests of one order that are on their way together."""
Item = TypeVar("Item")
Result = TypeVar("Result")
_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


def lock_for(path: str) -> threading.Lock:
    """Return the process's one lock for what is at *path*: two issuers may be made for one home."""
    with _locks_lock:
        return _locks.setdefault(os.path.realpath(path), threading.Lock())


def at_once(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return what *function* makes of each item, several at a time: a server far away is slow for each."""
    if len(items) < 2:
        return [function(item) for item in items]
    with Pool(min(len(items), AT_ONCE)) as pool:
        return list(pool.map(function, items))


class Holders:
    """Counts who needs a thing. Two orders may share an authorization, and so its proof."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def hold(self, thing: str) -> None:
        with self._lock:
            self._counts[thing] += 1

    def release(self, thing: str) -> bool:
        """Return True if nobody holds *thing* any more."""
        with self._lock:
            self._counts[thing] -= 1
            if self._counts[thing] > 0:
                return False
            del self._counts[thing]
            return True


class Turns:
    """Lets one order at a time have a name: a TLS server can show one certificate for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def take(self, names: Collection[str]) -> Iterator[None]:
        """Wait until all *names* are free, and have them within the context."""
        with self._changed:
            # All at once: two orders that hold one name each and want the other's would wait for ever.
            self._changed.wait_for(lambda: self._taken.isdisjoint(names))
            self._taken.update(names)
        try:
            yield
        finally:
            with self._changed:
                self._taken.difference_update(names)
                self._changed.notify_all()
