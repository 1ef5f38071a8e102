"""The daemon when somebody sets the clock: it goes by the new time at once, in both directions."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from certctl.app import wiring
from certctl.daemon import Daemon
from certctl.engine.outcome import Event
from certctl.system import clocks
from tests.support.world import World

COUNTED = "clock cases"

LIMIT = 30
"""Seconds after which something hangs."""


class Told:
    """A descriptor that can be read when a test says so, as the kernel's would when the clock was set."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def set(self) -> None:
        os.write(self._write, b"1")

    def fileno(self) -> int:
        return self._read

    def clear(self) -> bool:
        return bool(os.read(self._read, 1))

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


class Running:
    """A daemon's scheduler and its waiting, without its signals; its passes only leave a word."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        from apscheduler.schedulers.background import BackgroundScheduler

        self.events: list[Event] = []
        self.passed = threading.Event()
        self.daemon: Any = Daemon(world.path, wait=1.0, report=self.events.append)
        monkeypatch.setattr(self.daemon, "_pass", self.passed.set)
        self.daemon._scheduler = BackgroundScheduler(job_defaults={"misfire_grace_time": None})
        self.daemon._scheduler.start()
        self.told, (self._here, self._there) = Told(), socket.socketpair()
        jumps = cast("clocks.Jumps", self.told)
        self._thread = threading.Thread(target=self.daemon._serve, args=(self._here, jumps))
        self._thread.start()

    def end(self) -> None:
        self._there.send(bytes([signal.SIGTERM]))
        self._thread.join(LIMIT)
        self.daemon._scheduler.shutdown()
        for one in (self._here, self._there, self.told):
            one.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, monkeypatch)
    made.configure('[certificate.a]\nnames = ["a.example.test"]\nissuer = "self-signed"\n')
    return made


@pytest.fixture
def running(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    made = Running(world, monkeypatch)
    yield made
    made.end()


@pytest.mark.parametrize(("days", "how"), [(-30, "back by 30d"), (1826, "forward by 1826d")])
def test_clock_was_set(running: Running, world: World, days: int, how: str) -> None:
    """A pass runs at once, whatever moment the next one was planned for, and it is told why."""
    running.daemon._schedule(wiring.clock() + timedelta(hours=12))
    world.wrong = timedelta(days=days)
    running.told.set()
    # APScheduler goes by the real time, which the moment of this pass is not far from, or long ago.
    if days < 0:
        assert running.passed.wait(LIMIT)
    until_told(running, f"the clock was set {how}")


def test_clock_was_corrected(running: Running) -> None:
    """A second more or less is no reason for a pass."""
    running.daemon._schedule(wiring.clock() + timedelta(hours=12))
    running.told.set()
    assert not running.passed.wait(0.3)
    assert running.events == []


def until_told(running: Running, words: str) -> None:
    waited = threading.Event()
    for _ in range(LIMIT * 20):
        if any(words in event.text for event in running.events):
            return
        waited.wait(0.05)
    raise AssertionError(running.events)
