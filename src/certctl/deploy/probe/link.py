"""A TCP connection with one deadline for all that happens on it."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator

from certctl.deploy.probe.values import Failure

_LINE = 4096
"""Longest line that is taken; RFC 5321 §4.5.3.1.5 has 512, but capability lists grow."""

_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""It is this machine that cannot: often one without IPv6."""


class Failed(Exception):  # noqa: N818 (an outcome, not an error of ours)
    """A probe saw nothing; *failure* says why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)


class Link:
    """Bytes and lines, until the deadline. Every failure is a `Failed`."""

    def __init__(self, connection: socket.socket, timeout: float, deadline: float) -> None:
        self._socket = connection
        self._timeout = timeout
        self._deadline = deadline
        self._buffer = b""
        self.waiting_for = "an answer"
        """What the timeout message says was waited for."""

    @property
    def local_address(self) -> str:
        address: str = self._socket.getsockname()[0]
        return address

    @property
    def unread(self) -> bytes:
        """What came after the last line."""
        return self._buffer

    def receive(self) -> bytes:
        """Return some bytes; none at the end of the connection."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        return self._recv()

    def send(self, data: bytes) -> None:
        self._arm()
        with self._failing():
            self._socket.sendall(data)

    def try_to_send(self, data: bytes) -> None:
        """Send *data* if the other side still listens."""
        with contextlib.suppress(Failed):
            self.send(data)

    def line(self) -> str:
        """Return one line without its end."""
        while b"\n" not in self._buffer:
            more = self._recv()
            if not more:
                raise Failed("closed", f"the server closed the connection instead of {self.waiting_for}")
            self._buffer += more
            if len(self._buffer) > 16 * _LINE:
                raise Failed("protocol", f"more than {16 * _LINE} bytes came as {self.waiting_for}")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")

    def shorten(self, seconds: float) -> None:
        """Let the deadline be no further away than *seconds*."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def close(self) -> None:
        self._socket.close()

    def _recv(self) -> bytes:
        self._arm()
        with self._failing():
            return self._socket.recv(16384)

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        self._socket.settimeout(left)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise self._too_late() from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Failed("closed", f"the connection broke instead of {self.waiting_for}: {reason}") from error

    def _too_late(self) -> Failed:
        return Failed("timeout", f"{self.waiting_for} did not come within {self._timeout:g} s")


def connect(address: tuple[str, int], family: int, timeout: float, deadline: float) -> Link:
    """Open a connection before *deadline* (monotonic); *timeout* is only for the words of a failure."""
    try:
        connection = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise Failed("no-route", "this machine does not speak that version of IP") from error
    try:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        connection.connect(address)
    except ConnectionRefusedError:
        connection.close()
        raise Failed("refused", f"connection refused: nothing listens on port {address[1]} there") from None
    except TimeoutError:
        connection.close()
        raise Failed("timeout", f"no connection within {timeout:g} s") from None
    except OSError as error:
        connection.close()
        reason = (error.strerror or str(error)).lower()
        kind = "no-route" if error.errno in _NO_ROUTE else "unreachable"
        raise Failed(kind, f"cannot connect: {reason}") from error
    return Link(connection, timeout, deadline)
