"""Signals that would end a wait hold on while a program starts: else nobody would know that it runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldBack:
    """What came meanwhile."""

    def __init__(self) -> None:
        self._came: list[int] = []
        self._handlers: dict[int, Any] = {}

    def hold(self) -> None:
        """Python runs handlers in the main thread only; elsewhere there is nothing to hold back."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _ENDING:
            # What is ignored, or ends us without a word, stays as it is: a started program inherits that.
            if callable(handler := signal.getsignal(number)):
                self._handlers[number] = handler
                signal.signal(number, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)

    def release(self) -> None:
        """Put the handlers back, and let them see what came. Raises what they raise."""
        handlers, self._handlers = self._handlers, {}
        for number, handler in handlers.items():
            signal.signal(number, handler)
        came, self._came = self._came, []
        for number in came:
            signal.raise_signal(number)


@contextmanager
def held_back() -> Iterator[HeldBack]:
    """Hold signals back until `HeldBack.release`, at the latest until the end of the context."""
    held = HeldBack()
    held.hold()
    try:
        yield held
    finally:
        held.release()
