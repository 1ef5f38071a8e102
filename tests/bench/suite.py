"""Which benchmarks there are, and running them one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import ModuleType

import pytest

from tests.bench import (
    bench_acme,
    bench_changed,
    bench_daemon,
    bench_dhparam,
    bench_fingerprints,
    bench_idle,
    bench_keys,
    bench_local,
    bench_startup,
)
from tests.bench.result import Row
from tests.bench.setting import Setting

ALL: tuple[ModuleType, ...] = (
    bench_startup,
    bench_idle,
    bench_acme,
    bench_local,
    bench_keys,
    bench_changed,
    bench_fingerprints,
    bench_daemon,
    bench_dhparam,
)

FAILURES = (RuntimeError, OSError, AssertionError, pytest.skip.Exception, pytest.fail.Exception)
"""Of a program, and of what the servers of the tests say where one is missing."""


def chosen(names: Sequence[str]) -> list[ModuleType]:
    """The benchmarks called *names*; none: all."""
    known = {module.NAME: module for module in ALL}
    for name in names:
        if name not in known:
            raise SystemExit(f"no benchmark called {name}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(ALL)


def measure(
    modules: Sequence[ModuleType], setting: Setting, keep: Callable[[Sequence[Row]], None]
) -> tuple[list[Row], list[str]]:
    """The rows of all *modules*, and the names of those that failed: they are told, and the others go on.

    *keep* is called with all rows so far after each, so that an interrupted run is not for nothing.
    """
    found: list[Row] = []
    failed: list[str] = []
    for module in modules:
        setting.say(f"{module.NAME}: {module.WHAT}")
        start = time.monotonic()
        try:
            found += module.rows(setting)
            keep(found)
        except FAILURES as error:
            setting.say(f"{module.NAME} failed: {error}")
            failed.append(module.NAME)
        setting.say(f"{module.NAME}: took {time.monotonic() - start:.0f} s")
    return found, failed
