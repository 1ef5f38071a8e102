"""Runs a program that signs: bytes in, bytes out, bounded in time, in size and in what it may see."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from certctl.errors import IssuerError
from certctl.system import deadline

OUTPUT_MAX = 1 << 20
ERRORS_KEPT = 4096
GRACE = 2.0
_SAID = 600
_LOOK = 0.02
_READS = 16  # at a look: a program that never stops writing must not keep us from looking at the clock


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    """As a shell counts: 128 + N if signal N ended it."""
    output: bytes
    errors: bytes
    """The end of its standard error."""


def run(argv: Sequence[str], environment: Mapping[str, str], data: bytes, timeout: float) -> Ended:
    """Run *argv* with *data* on its standard input, for at most *timeout* seconds.

    No shell, working directory `/`, exactly *environment*, a process group of its
    own, which is ended as a whole when the program has ended, at the timeout
    (SIGTERM, after GRACE seconds SIGKILL), and when it prints more than
    OUTPUT_MAX bytes. Raises IssuerError if it cannot be started, for the last
    two, and not for its exit status.
    """
    timeout = deadline.left(timeout)
    # A file, so that it need not be read, and may be opened again as /dev/stdin.
    source = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        os.write(source, data)
        os.lseek(source, 0, os.SEEK_SET)
        process = _start(argv, environment, source)
    finally:
        os.close(source)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        pipes = _Pipes(argv[0], process.stdout.fileno(), process.stderr.fileno())
        try:
            if not pipes.follow(process.pid, time.monotonic() + timeout):
                _terminate(process.pid, pipes)
                raise IssuerError(f"{argv[0]} was ended after {timeout:.3g} s{pipes.said()}")
        finally:
            # Not reaped yet, so that the group's number cannot be a stranger's.
            _kill_group(process.pid)
            status = process.wait()
    return Ended(status if status >= 0 else 128 - status, bytes(pipes.output), bytes(pipes.errors))


class _Pipes:
    """What a running program writes."""

    def __init__(self, program: str, output: int, errors: int) -> None:
        self._program = program
        self._open = {output: self._take_output, errors: self._take_errors}
        self.output = bytearray()
        self.errors = bytearray()
        for descriptor in self._open:
            os.set_blocking(descriptor, False)

    def follow(self, pid: int, deadline: float) -> bool:
        """Read until the child *pid* has ended (True) or the *deadline* (monotonic) is over."""
        import select

        while not _has_ended(pid):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poller = select.poll()
            for descriptor in self._open:
                poller.register(descriptor, select.POLLIN)
            poller.poll(max(1, int(min(left, _LOOK) * 1000)))
            self.read()
        self.read()
        return True

    def read(self) -> None:
        """Take what is there now."""
        for descriptor, take in tuple(self._open.items()):
            try:
                for _ in range(_READS):
                    data = os.read(descriptor, 65536)
                    if not data:
                        del self._open[descriptor]
                        break
                    take(data)
            except BlockingIOError:
                continue

    def said(self) -> str:
        """The end of its standard error, for a message."""
        return said(bytes(self.errors))

    def _take_output(self, data: bytes) -> None:
        self.output += data
        if len(self.output) > OUTPUT_MAX:
            raise IssuerError(f"{self._program} printed more than {OUTPUT_MAX} bytes, which no chain needs")

    def _take_errors(self, data: bytes) -> None:
        self.errors = (self.errors + data)[-ERRORS_KEPT:]


def said(errors: bytes) -> str:
    """Return the end of what a program wrote on standard error, on one line, to be put after a message."""
    lines = [line.strip() for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
    text = " | ".join(lines[-5:])
    if len(text) > _SAID:
        # From a whole word on: what is left of a secret would not be known for one.
        text = text[-_SAID:].partition(" ")[2] or text[-_SAID:]
    return f": {''.join(c for c in text if c.isprintable())}" if text else ""


def _start(argv: Sequence[str], environment: Mapping[str, str], source: int) -> subprocess.Popen[bytes]:
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        raise IssuerError(
            "cannot run programs: SIGCHLD is ignored, so the kernel would not say how one ended",
            "start certctl from a parent that does not ignore SIGCHLD",
        )
    try:
        return subprocess.Popen(
            list(argv),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise IssuerError(
            f"the program {argv[0]} cannot be started: {why}", f"look at its first line: head -1 {argv[0]}"
        ) from error


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _terminate(group: int, pipes: _Pipes) -> None:
    """Ask the group to end, and give its leader a moment to do so."""
    os.killpg(group, signal.SIGTERM)
    pipes.follow(group, time.monotonic() + GRACE)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except PermissionError:  # it runs as another user now (sudo): it is left to end by itself
        return
