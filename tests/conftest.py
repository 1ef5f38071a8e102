"""What every test gets: a known environment, ports of its own, and no skipping in CI."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from certctl.system import child
from tests.real.servers import ports, require
from tests.support import memory

# Under nohup(1), or in the background of a script, these are ignored: programs would inherit it, and
# not hear of the very signals that tests are about.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Read when pytest makes the first tmp_path.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory.PLACE)

CHECKS = os.environ.get("CERTCTL_CHECKS", "")


@pytest.fixture(autouse=True)
def _known_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the caller's shell reaches a test, and no umask or process of a test the next one."""
    for name in list(os.environ):
        if name.startswith("CERTCTL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    before = os.umask(0o022)
    yield
    os.umask(before)
    child.end_all()


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Count a test of a module that says what its tests are: COUNTED = "clock cases"."""
    if hasattr(request.module, "COUNTED"):
        record_property(request.module.COUNTED, 1)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Call it for a port on loopback that no other test gets."""
    return ports.free_port


@pytest.fixture
def require_program() -> Callable[[str], str]:
    """Call it with a program's name for its path; where it is missing the test is skipped, in CI it fails."""
    return require.program


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what tests counted, and what the checks found that tests/run has beside pytest."""
    counts: dict[str, int] = {}
    for report in terminalreporter.getreports("passed"):
        for what, number in report.user_properties:
            if isinstance(number, int):
                counts[what] = counts.get(what, 0) + number
    for what, number in counts.items():
        terminalreporter.line(f"{what}: {number}")
    if CHECKS:
        with open(CHECKS, encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # they hold it until they have ended
            if found := file.read():
                terminalreporter.section("other checks", red=True)
                terminalreporter.line(found, red=True)
