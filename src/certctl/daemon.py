"""The daemon: passes at the moments that the plan says, by one job of APScheduler.

The job is due when the plan says that something is to be done; after each pass it
is set anew. It never polls: between those moments the process sleeps. Signals are
taken by the main thread, which waits for them and for systemd's watchdog.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from certctl import sdnotify
from certctl.app import causes, passes, wiring
from certctl.engine.outcome import Event, Report
from certctl.errors import EXIT_OK, CertctlError, ConfigError
from certctl.planning.holds import RETRY_UNPLANNED
from certctl.planning.spec import DAY, Spec
from certctl.planning.times import duration_text
from certctl.system import child, clocks, surprise

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

LONGEST_SLEEP = DAY
"""A pass at least once a day finds what nobody announced: files that others changed, a clock that was set."""
MOST_JITTER = 300.0
"""Seconds by which planned passes of different hosts are spread."""
RETRY_LOCKED = 60.0
JUMP = 30.0
"""Seconds by which the clock must have been set to make a pass worth while."""
LONGEST_WAIT = 3600.0
"""Seconds after which the clock is looked at where the kernel does not tell that it was set."""


def jitter(spec: Spec, wait: float) -> float:
    """Seconds to add to a pass that is *wait* seconds away: the same for this host and configuration always.

    Many hosts with certificates of the same age do not ask their CA at the same
    moment; short waits are hardly spread, so that holds end when they say.
    """
    share = zlib.crc32(f"{socket.gethostname()}:{spec.path}".encode()) / 2**32
    return min(MOST_JITTER, wait * 0.05) * share


def _ahead() -> float:
    return wiring.clock().timestamp() - clocks.uptime()


@contextlib.contextmanager
def _jumps() -> Iterator[clocks.Jumps | None]:
    try:
        jumps = clocks.Jumps()
    except (OSError, AttributeError):
        yield None
        return
    try:
        yield jumps
    finally:
        jumps.close()


class Daemon:
    """One process that runs the passes of one configuration whenever one is due."""

    def __init__(self, path: str, *, wait: float, report: Report) -> None:
        self._path = os.path.abspath(path)
        self._wait = wait
        self._report = report
        self._spec = self._load()
        self._scheduler: BackgroundScheduler | None = None
        self._ahead = _ahead()
        """Seconds by which the time of day is ahead of the kernel's uptime."""
        self._ending = threading.Event()
        self._turn = threading.Lock()
        """Guards the two below: whether a pass runs, and whether another is wanted right after it."""
        self._busy = False
        self._again = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status. SIGHUP loads the configuration again."""
        from apscheduler.schedulers.background import BackgroundScheduler

        self._scheduler = BackgroundScheduler(
            timezone=timezone.utc,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        with _signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as arrived:
            self._scheduler.start()
            self._schedule(wiring.clock())
            sdnotify.notify("READY=1")
            try:
                with _jumps() as jumps:
                    self._serve(arrived, jumps)
            finally:
                self._ending.set()
                sdnotify.notify("STOPPING=1")
                # The pass that is under way ends after the step in hand.
                self._scheduler.shutdown(wait=True)
        return EXIT_OK

    def _serve(self, arrived: socket.socket, jumps: clocks.Jumps | None) -> None:
        watchdog = sdnotify.watchdog_seconds()
        sources: list[Any] = [arrived] if jumps is None else [arrived, jumps]
        wait = watchdog / 2 if watchdog is not None else LONGEST_WAIT if jumps is None else None
        while True:
            ready, _, _ = select.select(sources, [], [], wait)
            if watchdog is not None:
                sdnotify.notify("WATCHDOG=1")
            if jumps is None or (jumps in ready and jumps.clear()):
                self._look_at_clock()
            for number in arrived.recv(64) if arrived in ready else b"":
                if number != signal.SIGHUP:
                    self._report(Event("daemon", f"ends on {signal.Signals(number).name}"))
                    return
                self._reload()

    def _look_at_clock(self) -> None:
        """Go by the new time: a pass now if it jumped, else the planned one, however long the host slept.

        The scheduler sleeps until a time of day, by a clock that stands still in suspension.
        """
        assert self._scheduler is not None
        ahead = _ahead()
        if abs(ahead - self._ahead) < JUMP:
            self._scheduler.wakeup()
            return
        how = "forward" if ahead > self._ahead else "back"
        by = duration_text(abs(ahead - self._ahead))
        self._ahead = ahead
        self._report(Event("daemon", f"the clock was set {how} by {by}", "warning"))
        self._pass_soon()

    def _reload(self) -> None:
        sdnotify.reloading()
        try:
            self._spec = self._load()
            self._report(Event("daemon", f"loaded {self._path} again"))
            self._pass_soon()
        except CertctlError as error:
            for problem in error.problems if isinstance(error, ConfigError) else [error.message]:
                self._report(Event("daemon", f"the old configuration stays: {problem}", "warning"))
        sdnotify.notify("READY=1")

    def _load(self) -> Spec:
        from certctl import config

        return config.load(self._path)

    def _pass_soon(self) -> None:
        """A pass now, or right after the one that runs: that one began with the old configuration."""
        with self._turn:
            if self._busy:
                self._again = True
            else:
                self._schedule(wiring.clock())

    def _schedule(self, moment: datetime) -> None:
        assert self._scheduler is not None
        self._scheduler.add_job(self._pass, "date", run_date=moment, id="pass", replace_existing=True)

    def _pass(self) -> None:
        """One pass, and the moment of the next one. Whatever goes wrong, there is a next one."""
        with self._turn:
            self._busy, self._again = True, False
        now = wiring.clock()
        try:
            following = self._after(passes.run(self._spec, (), self._options()), now)
        except CertctlError as error:
            self._report(Event("daemon", error.message, "warning"))
            following = now + timedelta(seconds=RETRY_LOCKED)
        except Exception as error:  # noqa: BLE001  # a bug must not end the daemon without a word
            self._report(Event("daemon", surprise.told(error).message, "warning"))
            following = now + timedelta(seconds=RETRY_LOCKED)
        finally:
            child.end_all()
        with self._turn:
            self._busy = False
            if not self._ending.is_set():
                self._schedule(wiring.clock() if self._again else following)

    def _options(self) -> passes.Options:
        return passes.Options(wait=self._wait, report=self._report, stop=self._ending.is_set)

    def _after(self, ran: passes.Ran, now: datetime) -> datetime:
        for subjects, error in causes.failures(ran.failed):
            self._report(Event(subjects, error.message, "warning"))
        if ran.plan.steps:
            return now + timedelta(seconds=RETRY_UNPLANNED)
        planned = ran.plan.next_pass_at
        wait = LONGEST_SLEEP if planned is None else (planned - now).total_seconds()
        wait = max(min(wait, LONGEST_SLEEP), 0.0)
        return now + timedelta(seconds=wait + jitter(self._spec, wait))


@contextlib.contextmanager
def _signals(*numbers: signal.Signals) -> Iterator[socket.socket]:
    """A socket that gives the number of each signal that arrives, a byte each.

    Signals are caught, not blocked: a mask would be inherited by hooks.
    """
    here, there = socket.socketpair()
    there.setblocking(False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    wakeup = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    try:
        yield here
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        here.close()
        there.close()
