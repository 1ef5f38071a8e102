"""Asks a server's own tool about its configuration; nothing is changed by it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.system.programs import search_path
from certctl.system.safety import check_safe_executable

_TIMEOUT = 10.0


class Answer(NamedTuple):
    """How a program ended, and what it printed."""

    status: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """The last line of its errors, on which most programs say why they failed."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


def ask(argv: Sequence[str]) -> Answer | None:
    """Run *argv* and return what it said; None if it is not installed or takes too long."""
    import subprocess

    path = search_path()
    program = _find(argv[0], path)
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": path, "LC_ALL": "C"},
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    texts = (data.decode("utf-8", "surrogateescape") for data in (done.stdout, done.stderr))
    return Answer(done.returncode, *texts)


def _find(name: str, path: str) -> str | None:
    """The first program of that name which nobody but root and ourselves could have changed."""
    for place in path.split(":"):
        found = os.path.join(place, name)
        if os.path.isfile(found) and os.access(found, os.X_OK):
            with contextlib.suppress(CertctlError):
                check_safe_executable(found)
                return found
    return None


def run_program(argv: Sequence[str]) -> str | None:
    """Return what *argv* prints on standard output; None if it is not installed, fails or takes too long."""
    answer = ask(argv)
    return answer.output if answer is not None and answer.status == 0 else None
