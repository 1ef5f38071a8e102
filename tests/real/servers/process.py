"""Daemons and commands of the tests: started, waited for by their protocol, ended by their pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from tests.real.servers.require import SYSTEM

Seen = TypeVar("Seen")
ENVIRONMENT = {"PATH": os.pathsep.join(SYSTEM), "LC_ALL": "C", "HOME": "/nonexistent"}


def tail(path: str, lines: int = 40) -> str:
    """Return the last *lines* of a log, or what there is of it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"


def until(condition: Callable[[], Seen], what: str, *, seconds: float = 10.0, log: str | None = None) -> Seen:
    """Return the first true value of *condition*, asked every few milliseconds; an OSError means not yet.

    After *seconds* the test fails with *what* was waited for and the end of *log*.
    """
    deadline = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            last = seen = condition()
            if seen:
                return seen
        except OSError as error:
            last = error
        if time.monotonic() > deadline:
            said = tail(log) if log else ""
            raise AssertionError(f"not within {seconds:g} s: {what} (last: {last!r})\n{said}")
        time.sleep(0.01)


def accepts(port: int, greeting: bytes = b"", address: str = "127.0.0.1") -> bool:
    """True if a TCP connection to *port* opens and what the server says first contains *greeting*."""
    with socket.create_connection((address, port), timeout=2) as connection:
        return greeting in (connection.recv(512) if greeting else b"")


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None) -> str:
    """Run a command and return what it printed; a failure fails the test with all of that."""
    done = subprocess.run(
        argv, env={**ENVIRONMENT, **(env or {})}, cwd=cwd, timeout=30, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(argv)} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


@contextlib.contextmanager
def daemon(
    argv: Sequence[str],
    *,
    log: str,
    ready: Callable[[], object],
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground, its output in *log*; the block begins when *ready* is true."""
    with open(log, "ab") as output:
        child = subprocess.Popen(
            argv, env={**ENVIRONMENT, **(env or {})}, cwd=cwd, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        until(lambda: _alive(child, argv, log) and ready(), f"{argv[0]} answers", log=log)
        yield child
    finally:
        end(child)


def _alive(child: subprocess.Popen[bytes], argv: Sequence[str], log: str) -> bool:
    assert child.poll() is None, f"{' '.join(argv)} ended with {child.returncode}:\n{tail(log)}"
    return True


def end(child: subprocess.Popen[bytes]) -> None:
    """End a daemon that was started in a session of its own, and whatever of its children outlives it."""
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=0.2)  # nothing in a test needs a longer farewell
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=5)
