"""Probe until the server has settled: a reload is not done when its command ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from certctl.deploy.probe.compare import compare
from certctl.deploy.probe.run import probe
from certctl.deploy.probe.values import ERROR, Difference, Expected

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds: most servers settle at once, and one that does not is not to be kept busy by being asked."""


def probe_settled(
    urls: Sequence[str],
    expected: Expected,
    now: Callable[[], datetime],
    *,
    patience: float = 10.0,
    timeout: float = 10.0,
    connections: int = 5,
) -> list[Difference]:
    """Probe *urls* until no error is left at any, or for *patience* seconds; what differs at the last looks.

    After a reload old processes end one by one, and a server that starts anew does not listen for a moment.
    So the first look that agrees counts, and only what stays wrong is wrong. All of *urls* settle at the
    same time: however many are wrong, they are waited for once.
    """

    def look(url: str, connections: int) -> list[Difference]:
        return compare(probe(url, expected, timeout=timeout, connections=connections), expected, now())

    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    found = {url: look(url, connections) for url in urls}
    wrong = [url for url in found if _errs(found[url])]
    while wrong and time.monotonic() < deadline:
        # There is no event to wait for: the server does not tell when its last old process has gone.
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        # One connection is enough to see that it is still wrong, not to see that it is right.
        found.update({url: look(url, connections) for url in wrong if not _errs(look(url, 1))})
        wrong = [url for url in wrong if _errs(found[url])]
    found.update({url: look(url, connections) for url in wrong})
    return [one for differences in found.values() for one in differences]


def _errs(differences: Sequence[Difference]) -> bool:
    return any(one.severity == ERROR for one in differences)
