"""The daemon: passes at the moments that the plan says, by one job of APScheduler.

The job is due when the plan says that something is to be done; after each pass it
is set anew. It never polls: between those moments the process sleeps. Signals are
taken by the main thread, which waits for them and for systemd's watchdog.
"""

from __future__ import annotations

import os
import signal
import threading
import zlib
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from certctl import sdnotify
from certctl.app import passes, wiring
from certctl.core.holds import RETRY_UNPLANNED
from certctl.core.spec import DAY, Spec
from certctl.engine.outcome import Event, Report
from certctl.errors import EXIT_OK, CertctlError

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

LONGEST_SLEEP = DAY
"""A pass at least once a day finds what nobody announced: files that others changed, a clock that was set."""
MOST_JITTER = 300.0
"""Seconds by which planned passes of different hosts are spread."""
RETRY_LOCKED = 60.0


def jitter(spec: Spec, wait: float) -> float:
    """Seconds to add to a pass that is *wait* seconds away: the same for this host and configuration always.

    Many hosts with certificates of the same age do not ask their CA at the same
    moment; short waits are hardly spread, so that holds end when they say.
    """
    import socket

    share = zlib.crc32(f"{socket.gethostname()}:{spec.path}".encode()) / 2**32
    return min(MOST_JITTER, wait * 0.05) * share


class Daemon:
    """One process that keeps everything of one configuration alive."""

    def __init__(self, path: str, *, wait: float, report: Report) -> None:
        self._path = os.path.abspath(path)
        self._wait = wait
        self._report = report
        self._spec = self._load()
        self._scheduler: BackgroundScheduler | None = None
        self._running = threading.Lock()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit status. SIGHUP loads the configuration again."""
        from apscheduler.schedulers.background import BackgroundScheduler

        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        # Blocked before any thread starts, so that only sigtimedwait takes them.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        self._scheduler = BackgroundScheduler(
            timezone=timezone.utc,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.start()
        self._schedule(wiring.clock())
        sdnotify.notify("READY=1")
        try:
            self._serve(signals)
        finally:
            sdnotify.notify("STOPPING=1")
            # Waits for the step in hand: a pass that is under way is ended by its own lock-step.
            self._scheduler.shutdown(wait=True)
        return EXIT_OK

    def _serve(self, signals: tuple[signal.Signals, ...]) -> None:
        watchdog = sdnotify.watchdog_seconds()
        while True:
            if watchdog is None:
                got: signal.struct_siginfo | None = signal.sigwaitinfo(signals)
            else:
                got = signal.sigtimedwait(signals, watchdog / 2)
                sdnotify.notify("WATCHDOG=1")
            if got is None:
                continue
            if got.si_signo != signal.SIGHUP:
                self._report(Event("daemon", f"ends on {signal.Signals(got.si_signo).name}"))
                return
            self._reload()

    def _reload(self) -> None:
        sdnotify.reloading()
        try:
            self._spec = self._load()
            self._report(Event("daemon", f"loaded {self._path} again"))
            self._schedule(wiring.clock())
        except CertctlError as error:
            self._report(Event("daemon", f"the old configuration stays: {error}", "warning"))
        sdnotify.notify("READY=1")

    def _load(self) -> Spec:
        from certctl import config

        return config.load(self._path)

    def _schedule(self, moment: datetime) -> None:
        assert self._scheduler is not None
        self._scheduler.add_job(self._pass, "date", run_date=moment, id="pass", replace_existing=True)

    def _pass(self) -> None:
        """One pass, and the moment of the next one. Whatever goes wrong, there is a next one."""
        with self._running:
            now = wiring.clock()
            try:
                following = self._after(passes.run(self._spec, (), self._options()), now)
            except CertctlError as error:
                self._report(Event("daemon", error.message, "warning"))
                following = now + timedelta(seconds=RETRY_LOCKED)
            except Exception as error:  # noqa: BLE001  # a bug must not end the daemon without a word
                self._report(Event("daemon", f"internal error: {error!r}", "warning"))
                following = now + timedelta(seconds=RETRY_LOCKED)
        self._schedule(following)

    def _options(self) -> passes.Options:
        return passes.Options(wait=self._wait, report=self._report)

    def _after(self, ran: passes.Ran, now: datetime) -> datetime:
        for item in ran.failed:
            self._report(Event(item.step.subject, f"{item.error.message}", "warning"))
        if ran.plan.steps:
            return now + timedelta(seconds=RETRY_UNPLANNED)
        planned = ran.plan.next_pass_at
        wait = LONGEST_SLEEP if planned is None else (planned - now).total_seconds()
        wait = max(min(wait, LONGEST_SLEEP), 0.0)
        return now + timedelta(seconds=wait + jitter(self._spec, wait))
