"""The daemon: memory over a thousand passes, and how often it wakes up between them."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from tests.bench import home
from tests.bench.measure import environment
from tests.bench.result import Row
from tests.bench.setting import Setting

NAME = "daemon"
WHAT = "the daemon over 1,000 passes, driven by SIGHUP: memory, growth, wake-ups while idle"
MEMORY = 60.0
CERTIFICATES = 10
IDLE = 10.0
"""Seconds for which wake-ups are counted."""
GROWTH = 1.0
"""MiB in the second half of the passes: what an allocator wavers by."""


def rows(setting: Setting) -> list[Row]:
    """Measure. A watched file changes before each pass, so that each runs its hook and can be counted."""
    passes = setting.size(1000, quick=20)
    watch = '[watch.w]\npaths = ["watched"]\nhooks = ["reload"]'
    at = home.make(setting.directory("daemon"), setting.installed(), CERTIFICATES, tables=watch)
    at.do("-q", "run")
    with open(f"{at.root}/daemon.log", "wb") as output:
        process = subprocess.Popen(
            at.command("daemon").argv, env=environment(), cwd=at.root, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        begin = time.monotonic()
        sizes = [_pass(process, at, number) for number in range(passes)]
        each = (time.monotonic() - begin) / passes
        seconds = setting.size(IDLE, quick=1.0)
        time.sleep(1.0)  # the last pass ends
        before = _switches(process.pid)
        time.sleep(seconds)
        woken = _switches(process.pid) - before
    finally:
        process.terminate()
        process.wait(timeout=20)
    growth = sizes[-1] - sizes[len(sizes) // 2]
    return [
        Row(NAME, "a pass with a hook", each, "s", passes),
        Row(NAME, f"memory after {passes} passes", sizes[-1], "MiB", 1, target=MEMORY),
        Row(NAME, f"growth from pass {passes // 2} to {passes}", growth, "MiB", 1, target=GROWTH),
        Row(NAME, f"wake-ups in {seconds:g} s of waiting", woken, "", 1, target=0),
    ]


def _pass(process: subprocess.Popen[bytes], at: home.Home, number: int) -> float:
    """One pass; the resident memory after it, in MiB."""
    before, deadline = at.hook_runs(), time.monotonic() + 20
    with open(f"{at.root}/watched", "w", encoding="ascii") as file:
        file.write(f"{number}\n")
    if number:
        process.send_signal(signal.SIGHUP)
    while at.hook_runs() == before:
        if process.poll() is not None or time.monotonic() > deadline:
            with open(f"{at.root}/daemon.log", encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"the daemon made no pass:\n{log.read()[-2000:]}")
        time.sleep(0.002)
    return _status(process.pid, "VmRSS") / 1024


def _switches(pid: int) -> int:
    """How often any of its threads was given a processor after it had waited for something."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        total += _status(f"{pid}/task/{thread}", "voluntary_ctxt_switches")
    return total


def _status(which: int | str, field: str) -> int:
    with open(f"/proc/{which}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    raise RuntimeError(f"/proc/{which}/status has no {field}")
