"""Probe until the server has settled: a reload is not done when its command ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from certctl.deploy.probe.compare import compare
from certctl.deploy.probe.run import probe
from certctl.deploy.probe.values import ERROR, Difference, Expected, Served

_PAUSE = 0.25


def probe_settled(
    url: str,
    expected: Expected,
    now: Callable[[], datetime],
    *,
    patience: float = 10.0,
    timeout: float = 10.0,
    connections: int = 5,
) -> tuple[list[Served], list[Difference]]:
    """Probe *url* again and again until no error is left, or for *patience* seconds; return the last look.

    After a reload old processes end one by one, and a server that starts anew does not listen for a moment.
    So the first look that agrees counts, and only what stays wrong is wrong.
    """
    deadline = time.monotonic() + patience
    while True:
        served = probe(url, expected, timeout=timeout, connections=connections)
        differences = compare(served, expected, now())
        if not any(one.severity == ERROR for one in differences) or time.monotonic() >= deadline:
            return served, differences
        # There is no event to wait for: the server does not tell when its last old process has gone.
        time.sleep(_PAUSE)
