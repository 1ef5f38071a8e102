"""Ports on loopback that no two tests are handed at once, in whatever process they run.

Each process claims blocks of ports by flock(2): the kernel gives a block back when the process
ends. Within its blocks a process hands out each port once. All lie below the ephemeral range
(ip(7), 32768 and up), where a port could be taken by any outgoing connection.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator

FIRST, LAST, BLOCK = 16640, 32640, 40


def _claimed_blocks() -> Iterator[int]:
    """Yield the first port of one free block after the other, each locked until this process ends."""
    directory = os.path.join(tempfile.gettempdir(), f"certctl-test-ports-{os.getuid()}")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for start in range(FIRST, LAST, BLOCK):
        lock = os.open(os.path.join(directory, str(start)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        yield start


def _free(port: int) -> bool:
    """True if nothing holds *port*, over TCP or UDP, IPv4 or IPv6."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    # Over TCP, as servers do: connections that were closed lately are no obstacle.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
                    probe.bind((address, port))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # no IPv6 here
                    return False
    return True


def _ports() -> Iterator[int]:
    for start in _claimed_blocks():
        yield from filter(_free, range(start, start + BLOCK))


_owner = 0
_source: Iterator[int] = iter(())


def free_port() -> int:
    """Return a port that is free now and is given to nobody else while this process lives."""
    global _owner, _source  # one source a process, also after a fork
    if _owner != os.getpid():
        _owner, _source = os.getpid(), _ports()
    try:
        return next(_source)
    except StopIteration:
        raise RuntimeError(f"no free port is left between {FIRST} and {LAST}") from None
