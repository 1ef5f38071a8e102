"""The lock of the state directory as a pass holds it: let go of while somebody outside is spoken to."""

from __future__ import annotations

import contextlib
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

RETAKEN_WITHIN = 3600.0
"""Seconds: others hold it for work on this host, hooks above all, and a result is worth the wait."""

Lock = Callable[[float], AbstractContextManager[None]]
"""Takes the lock, waiting at most so many seconds for it; raises LockedError."""


class Lease:
    """One process's hold on the lock. One thread at a time has it."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._turn = allocate_lock()
        self._entered: AbstractContextManager[None] | None = None
        self._is_ours = False
        """Whether the pass has it, rather than one of its threads or nobody."""

    @contextlib.contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold the lock within the context. Raises LockedError after *wait* seconds."""
        self._take(wait)
        self._is_ours = True
        try:
            yield
        finally:
            if self._is_ours:
                self._is_ours = False
                self._give()

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Let go of it within the context. After that the world may be another one."""
        self._is_ours = False
        self._give()
        try:
            yield
        except Exception:
            self._retake()
            raise
        # Whoever is told to end (a signal, Ctrl-C) goes without it.
        self._retake()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Hold it within the context in a thread of a pass that is outside."""
        self._take(RETAKEN_WITHIN)
        try:
            yield
        finally:
            self._give()

    def _retake(self) -> None:
        self._take(RETAKEN_WITHIN)
        self._is_ours = True

    def _take(self, wait: float) -> None:
        self._turn.acquire()
        try:
            entered = self._lock(wait)
            entered.__enter__()
        except BaseException:
            self._turn.release()
            raise
        self._entered = entered

    def _give(self) -> None:
        entered, self._entered = self._entered, None
        assert entered is not None
        try:
            entered.__exit__(None, None, None)
        finally:
            self._turn.release()
