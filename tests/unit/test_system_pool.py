"""Work in threads on a host that has none to give."""

from __future__ import annotations

import threading

import pytest

from certctl.system.pool import Pool

WORK = range(20)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_work_is_done_once(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer threads than wanted, or none, all is done, in order, and nothing twice."""
    start, given, done = threading.Thread.start, [0], []

    def limited(thread: threading.Thread) -> None:
        given[0] += 1
        if given[0] > threads:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)

    def work(number: int) -> int:
        done.append(number)
        return number * 2

    with Pool(8) as pool:
        assert list(pool.map(work, WORK)) == [number * 2 for number in WORK]
    assert sorted(done) == list(WORK)


def test_what_fails_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the work is that of its result, also where the caller did it."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Pool(2) as pool:
        assert isinstance(pool.submit(int, "no").exception(), ValueError)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Pool(2) as pool:
        assert isinstance(pool.submit(int, "no").exception(), ValueError)
