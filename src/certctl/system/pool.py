"""Several things at once, as far as the host has threads; import it late, it is slow to load."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Pool(ThreadPoolExecutor):
    """A pool that makes do with the threads it gets, and with the caller's where it gets none.

    A limit on processes (ulimit -u, TasksMax of systemd) or memory that is short make
    it slower; they are no reason to leave work undone.
    """

    def submit(
        self, function: Callable[Arguments, Result], /, *args: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()
        taken = threading.Lock()

        def work() -> None:
            # The executor queues first, and then looks for a thread: one that it has may be quicker than we.
            if not taken.acquire(blocking=False) or not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **named))
            except BaseException as error:  # noqa: BLE001  # it is raised where the result is asked for
                future.set_exception(error)

        try:
            super().submit(work)
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise  # Python has no class of its own for the lack of a thread
            work()
        return future
