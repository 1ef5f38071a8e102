"""Connections to names of strangers: in bounded time, however many addresses they have and whatever those do.

Happy eyeballs (RFC 8305) in its simple form: IPv6 and IPv4 take turns, an address that has not
answered after a quarter of a second does not keep the next one waiting, the first that answers is taken.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from itertools import chain, zip_longest
from typing import NamedTuple

from certctl.system.bounded import within
from certctl.system.deadline import left

MOST = 8
"""Addresses of one name that are tried."""
HEAD_START = 0.25
"""Seconds: RFC 8305 §5, "Connection Attempt Delay"."""

NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""It is this host that cannot: often one without IPv6."""


class Address(NamedTuple):
    """One address of a name, with what connect(2) takes."""

    family: socket.AddressFamily
    sockaddr: tuple[str | int | bytes, ...]


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Return a blocking socket without a timeout that is connected to *host*.

    Looking up the name and connecting end within *seconds*, and within the pass's deadline. Raises
    OSError (TimeoutError when the time is over), and CertctlError where the pass's time was over before.
    """
    end = time.monotonic() + left(seconds)
    addresses = resolve(host, port, end - time.monotonic())
    return _first(interleaved(addresses)[:MOST], end)


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """Return the addresses of *host*, IPv6 and IPv4, in the resolver's order.

    getaddrinfo(3) knows no time limit, but ends within *seconds* here. Raises OSError; TimeoutError when
    the time is over.
    """
    try:
        return within(seconds, lambda: _ask(host, port))
    except TimeoutError:
        raise TimeoutError(errno.ETIMEDOUT, f"the name {host} was not resolved in time") from None


def _ask(host: str, port: int) -> list[Address]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (UnicodeError, OverflowError) as error:  # a label without end, a port beyond 65535
        raise OSError(errno.EINVAL, f"{host[:255]!r} is no host name") from error
    return list(dict.fromkeys(Address(family, place) for family, _, _, _, place in answers))


def interleaved(addresses: list[Address]) -> list[Address]:
    """Let the families take turns; the resolver's first address stays the first (RFC 8305 §4)."""
    first = addresses[0].family if addresses else None
    ours = [address for address in addresses if address.family == first]
    others = [address for address in addresses if address.family != first]
    return [address for address in chain(*zip_longest(ours, others)) if address]


def _first(addresses: list[Address], end: float) -> socket.socket:
    """Return the first of *addresses* that connects before *end* (monotonic)."""
    waiting = list(addresses)
    under_way: dict[int, socket.socket] = {}
    problems: list[OSError] = []
    poll = select.poll()
    next_start = 0.0
    try:
        while waiting or under_way:
            now = time.monotonic()
            if now >= end:
                raise TimeoutError(errno.ETIMEDOUT, "no connection in time")
            if waiting and (now >= next_start or not under_way):
                started = _start(waiting.pop(0), problems)
                if started is not None:
                    under_way[started.fileno()] = started
                    poll.register(started, select.POLLOUT)
                    next_start = now + HEAD_START
                continue
            pause = (min(next_start, end) if waiting else end) - now
            for descriptor, _ in poll.poll(max(pause, 0.0) * 1000 + 1):
                poll.unregister(descriptor)
                ready = under_way.pop(descriptor)
                code = ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    ready.settimeout(None)
                    return ready
                ready.close()
                problems.append(OSError(code, os.strerror(code)))
                next_start = 0.0
    finally:
        for left_over in under_way.values():
            left_over.close()
    telling = [problem for problem in problems if problem.errno not in NO_ROUTE]
    raise [*telling, *problems, OSError(errno.EADDRNOTAVAIL, "the name has no address")][0]


def _start(address: Address, problems: list[OSError]) -> socket.socket | None:
    """Begin to connect; None where that failed at once, which is added to *problems*."""
    try:
        opened = socket.socket(address.family, socket.SOCK_STREAM)
    except OSError as error:
        problems.append(error)
        return None
    try:
        opened.setblocking(False)
        code = opened.connect_ex(address.sockaddr)
        if code in (0, errno.EINPROGRESS):
            return opened
        problems.append(OSError(code, os.strerror(code)))
    except OSError as error:
        problems.append(error)
    except BaseException:
        opened.close()
        raise
    opened.close()
    return None
