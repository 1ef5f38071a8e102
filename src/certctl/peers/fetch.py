"""Reading a URL or file that others may have filled: bounded in size, in time, and in where it leads."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import stat
import threading
import time
from functools import cache
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from certctl import __version__
from certctl.errors import CertctlError
from certctl.planning.feed import LARGEST
from certctl.system import deadline
from certctl.system.child import Child
from certctl.system.connect import connect
from certctl.x509.certificate import LATE

TIMEOUT = 20.0
"""Seconds for one URL with all its redirects."""
CONNECT = 5.0
"""Seconds of them until a connection stands, whatever addresses the name has."""
MOST_REDIRECTS = 3


strangers = Child("reading what others publish", "certctl.peers.fetch", "certctl.peers.verify", *LATE)
"""The process in which all of it is read first."""


class Fetched(NamedTuple):
    """What was there."""

    data: bytes | None
    """None: the same as when *etag* was seen."""
    etag: str | None = None


def fetch(
    place: str, etag: str | None = None, *, timeout: float = TIMEOUT, largest: int = LARGEST
) -> Fetched:
    """Read *place*, an https URL (http on loopback) or a path. Raises CertctlError.

    Redirects are followed on the same scheme, host and port only: whoever controls
    a path there must not make this host ask others on its behalf.
    """
    if "://" not in place:
        return Fetched(_read_file(place, largest))
    return _fetch(place, etag, timeout, largest)


@strangers.runs
def _fetch(place: str, etag: str | None, seconds: float, largest: int) -> Fetched:
    timeout = deadline.left(seconds)
    url, end = place, time.monotonic() + timeout
    for _ in range(MOST_REDIRECTS + 1):
        answer = _get(url, etag, end, timeout, largest)
        if answer.location is None:
            return Fetched(answer.data, answer.etag)
        try:
            target = urljoin(url, answer.location)
            same = _origin(target) == _origin(url)
        except ValueError as error:
            raise _no_answer(
                url, f"it redirects to {_printable(answer.location)!r}, which is no URL"
            ) from error
        if not same:
            raise CertctlError(
                f"{url} redirects to another host, which is not followed: {_printable(target)}",
                "put the right URL into the configuration",
                transient=False,
            )
        url = target
    raise CertctlError(f"{place} redirects more than {MOST_REDIRECTS} times")


@strangers.runs
def knock(place: str, seconds: float) -> None:
    """Connect to *place*, an http or https URL, and hang up. Raises CertctlError where that fails."""
    parts = urlsplit(place)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        _connect(parts.hostname or "", port, time.monotonic() + deadline.left(seconds)).close()
    except (OSError, ValueError) as error:
        raise _no_answer(place, _words(error)) from error


class _Answer(NamedTuple):
    data: bytes | None
    etag: str | None
    location: str | None


def _get(url: str, etag: str | None, end: float, timeout: float, largest: int) -> _Answer:
    parts = urlsplit(url)
    path = parts.path or "/"
    headers = {"User-Agent": f"certctl/{__version__}", "Accept-Encoding": "identity"}
    headers |= {"If-None-Match": etag} if etag else {}
    try:
        with _Connection(url, end) as connection:
            connection.http.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=headers)
            with connection.http.getresponse() as response:
                return _read(url, response, largest, end)
    except TimeoutError as error:
        raise _no_answer(url, f"it takes longer than {timeout:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise _no_answer(url, f"its TLS certificate is not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= end:
            raise _no_answer(url, f"it takes longer than {timeout:g} s") from error
        raise _no_answer(url, _words(error)) from error


def _read(url: str, answer: http.client.HTTPResponse, largest: int, end: float) -> _Answer:
    location = answer.getheader("Location")
    if answer.status in (301, 302, 303, 307, 308) and location:
        return _Answer(None, None, location)
    if answer.status == 304:
        return _Answer(None, answer.getheader("ETag"), None)
    if answer.status != 200:
        raise CertctlError(
            f"{url} answers {answer.status} {_printable(answer.reason)}", f"try: curl -v {url}"
        )
    if (answer.getheader("Content-Encoding") or "identity") != "identity":
        raise CertctlError(f"{url} answers with a compressed body, which was not asked for")
    data = answer.read(largest + 1)
    # What the end of the time cut short looks whole where no length was told.
    _left(end)
    if len(data) > largest:
        raise CertctlError(f"{url} is larger than {largest} bytes, which no feed needs")
    length = answer.getheader("Content-Length")
    if length is not None and length.isdigit() and int(length) != len(data):
        raise CertctlError(f"{url} was cut short: {len(data)} of {length} bytes came")
    return _Answer(data, answer.getheader("ETag"), None)


@cache
def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def make_ready() -> None:
    """Read the roots that the system trusts."""
    _trusting()


class _Connection:
    """One connection that is shut down when the deadline is over, whatever it is busy with."""

    def __init__(self, url: str, end: float) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = _trusting()
            self.http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port or 443, context=self._context
            )
        else:
            self.http = http.client.HTTPConnection(host, parts.port or 80)
        self._until = end

    def __enter__(self) -> _Connection:
        connected = _connect(self.http.host, self.http.port, self._until)
        # A server that gives a byte now and then would never meet a socket's own
        # timeout, so the whole exchange is cut off from outside.
        self._guard = connected.dup()
        self._timer = threading.Timer(max(0.0, self._until - time.monotonic()), _shut, [self._guard])
        self._timer.daemon = True
        self._timer.start()
        try:
            if self._context is not None:
                connected = self._context.wrap_socket(connected, server_hostname=self.http.host)
        except BaseException:
            self._end(connected)
            raise
        self.http.sock = connected
        return self

    def __exit__(self, *_: object) -> None:
        self._end(self.http)

    def _end(self, connected: socket.socket | http.client.HTTPConnection) -> None:
        self._timer.cancel()
        self._guard.close()
        connected.close()


def _connect(host: str, port: int, end: float) -> socket.socket:
    try:
        connected = connect(host, port, min(CONNECT, _left(end)))
    except TimeoutError as error:
        raise OSError(f"no connection within {CONNECT:g} s") from error
    connected.settimeout(_left(end))
    return connected


def _shut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:  # it has ended by itself meanwhile
        return


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _read_file(path: str, largest: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CertctlError(f"{path} is not a regular file", f"ls -l {path}")
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(largest + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CertctlError(f"cannot read {path}: {why}", f"ls -l {path}") from error
    if len(data) > largest:
        raise CertctlError(f"{path} is larger than {largest} bytes, which no feed needs")
    return data


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return (parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme))


def _no_answer(url: str, why: str) -> CertctlError:
    return CertctlError(f"cannot fetch {url}: {why}", f"try: curl -v {url}")


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(_printable(text).split()).lower().rstrip(".")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:200])
