"""Fixtures for tests that drive real servers.

    def test_it(start: Start, scratch: str) -> None:
        server = start(postfix, chain_files=[make_identity().save(scratch)])

Every server is a context manager in tests.real.servers; `start` enters it with a directory of its own and
leaves it when the test ends. When a test fails, the ends of its servers' logs are shown.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Generator, Iterator

import pytest

from tests.real.servers.process import tail
from tests.real.servers.scratch import scratch_directory
from tests.real.servers.start import Start

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture
def scratch() -> Iterator[str]:
    """A directory with a short path, 0755, so that daemons which drop root can get there."""
    with scratch_directory() as path:
        yield path


@pytest.fixture
def start(scratch: str) -> Iterator[Start]:
    """Starts servers that end, last first, with the test: `start(nginx, bundle)`."""
    with contextlib.ExitStack() as stack:
        yield Start(scratch, stack)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that is here as `real`, so that `-m 'not real'` leaves it out."""
    for item in items:
        if os.fspath(item.path).startswith(HERE + os.sep):
            item.add_marker("real")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a failed test said."""
    report = yield
    scratch = getattr(item, "funcargs", {}).get("scratch")
    if report.failed and scratch:
        for path in sorted(glob.glob(os.path.join(scratch, "*", "*log*"))):
            report.sections.append((f"log {path}", tail(path)))
    return report
