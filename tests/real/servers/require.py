"""What a test needs of the machine: there, or a visible reason why the test does not run."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = (os.path.join(TESTS, ".cache/pebble/usr/bin"), os.path.join(TESTS, ".cache/exim/usr/sbin"))
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


def in_ci() -> bool:
    """True where everything is to be there, so that nothing may be skipped."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def missing(what: str, hint: str) -> NoReturn:
    """End the test: skipped on a laptop with *what* is missing and what to do, failed in CI."""
    if in_ci():
        pytest.fail(f"{what}, and CI is set, where nothing may be skipped", pytrace=False)
    pytest.skip(f"{what} ({hint})")


def program(name: str) -> str:
    """Return the path of program *name*: unpacked by tests/run, in PATH or in a system directory."""
    path = os.pathsep.join([*UNPACKED, os.environ.get("PATH", ""), *SYSTEM])
    return shutil.which(name, path=path) or missing(
        f"{name} is not installed", "tests/run installs it, as root on Debian"
    )


def root(why: str) -> None:
    """Go on only as root; *why* says what needs it."""
    if os.geteuid() != 0:
        missing(f"{why} needs root", "run tests/run as root")
