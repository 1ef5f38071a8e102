"""The systemd units: systemd itself finds nothing to say, and they are as closed as they claim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from certctl.deploy.lookup import shipped_dir
from tests.real.servers.require import program

UNITS = sorted(os.listdir(shipped_dir("systemd")))
SERVICES = [unit for unit in UNITS if unit.endswith(".service")]


def text(unit: str) -> str:
    return Path(shipped_dir("systemd"), unit).read_text()


def settings(unit: str) -> list[str]:
    return [line for line in text(unit).splitlines() if line and not line.startswith("#")]


def test_units_are_the_documented_ones() -> None:
    """A pass with its timer, and the daemon."""
    assert UNITS == ["certctl-daemon.service", "certctl.service", "certctl.timer"]
    assert "ExecStart=certctl -q run" in settings("certctl.service")
    assert "ExecStart=certctl daemon" in settings("certctl-daemon.service")


def test_both_services_are_hardened_alike() -> None:
    """What is said about hardening is the same, word for word, in both files."""
    one, other = (
        text(unit)
        .split("# What follows takes away", 1)[1]
        .split("\n[Install]")[0]
        .strip()
        .replace(unit, "UNIT")
        for unit in SERVICES
    )
    assert one == other


def test_daemon_speaks_with_systemd() -> None:
    """Readiness, watchdog and reload, which the daemon answers; a broken certctl.toml is not tried again."""
    assert {
        "Type=notify",
        "WatchdogSec=10min",
        "ExecReload=kill -HUP $MAINPID",
        "RestartPreventExitStatus=2",
    } <= set(settings("certctl-daemon.service"))
    assert "SuccessExitStatus=75" in settings("certctl.service")


@pytest.mark.real
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    """`systemd-analyze verify` says nothing, once certctl is where the units look for it."""
    for unit in UNITS:
        (tmp_path / unit).write_text(text(unit).replace("ExecStart=certctl ", f"ExecStart={sys.executable} "))
    done = subprocess.run(
        [program("systemd-analyze"), "verify", *(str(tmp_path / unit) for unit in UNITS)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


@pytest.mark.real
@pytest.mark.parametrize("unit", SERVICES)
def test_exposure_is_low(unit: str) -> None:
    """`systemd-analyze security` counts at most 2.7 of 10; root with the network alone are 2.3."""
    path = os.path.join(shipped_dir("systemd"), unit)
    done = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=yes", "--threshold=27", "--no-pager", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout
