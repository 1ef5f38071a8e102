"""A limit for what knows none itself: getaddrinfo(3), the clients of other people's libraries."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from certctl.system.deadline import left

Result = TypeVar("Result")


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """Return what *function* does, or raise what it raises; TimeoutError after *seconds*.

    The pass's deadline holds, too. What takes longer runs on in a thread that nobody waits for.
    """
    import threading

    done: list[Result] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(function())
        except Exception as error:  # noqa: BLE001  # it is raised where somebody waits for it
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="certctl-bounded")
    limit = left(seconds)
    thread.start()
    thread.join(limit)
    for error in failed:
        raise error
    for result in done:
        return result
    raise TimeoutError(errno.ETIMEDOUT, "it takes too long")
