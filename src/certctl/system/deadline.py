"""One deadline for everything that a pass asks of others: CAs, DNS, peers, servers.

It belongs to the process, not to a thread: whatever threads a pass starts, all of
them are through when its time is over. Who waits for somebody outside asks here how
long one blocking call may take.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from certctl.errors import CertctlError

LEAST = 0.05
"""Seconds: a shorter timeout would fail before anybody could answer."""

_ends: float | None = None
_length = 0.0


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Let everything outside end within *seconds* from now; an earlier end that is set already stays."""
    global _ends, _length
    before = _ends, _length
    end = time.monotonic() + seconds
    if _ends is None or end < _ends:
        _ends, _length = end, seconds
    try:
        yield
    finally:
        _ends, _length = before


@contextlib.contextmanager
def share(part: float) -> Iterator[None]:
    """Let what is asked within use a *part* (0 to 1) of what is left, so that others get theirs."""
    if _ends is None:
        yield
        return
    with limit(max(_ends - time.monotonic(), 0.0) * part):
        yield


def left(default: float) -> float:
    """Seconds that one blocking call may take: *default*, or what is left of the pass's time.

    Raises CertctlError (transient) when that time is over.
    """
    if _ends is None:
        return default
    remaining = _ends - time.monotonic()
    if remaining <= 0:
        raise CertctlError(
            f"no answer within {_length:.3g}s, which is what network_timeout leaves for it",
            "it is tried again by a later pass",
        )
    return max(LEAST, min(default, remaining))


def current() -> tuple[float, float] | None:
    """When the time is over (time.monotonic, the same in all processes), and its length; None: no limit."""
    return None if _ends is None else (_ends, _length)


def adopt(found: tuple[float, float] | None) -> None:
    """Take over the `current` deadline of another process."""
    global _ends, _length
    _ends, _length = found or (None, 0.0)
