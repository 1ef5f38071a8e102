"""Connecting to names whose addresses are dead, swallow everything, or cannot be looked up."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from typing import Any

import pytest

from certctl.errors import CertctlError
from certctl.system import deadline
from certctl.system.connect import MOST, Address, connect, interleaved, resolve
from tests.support.deaf import black_hole, listening


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names beside those of the system's resolver, each with its addresses."""
    known: dict[str, list[str]] = {}
    system = socket.getaddrinfo

    def ask(host: str, port: int, **options: int) -> list[Any]:
        if host not in known:
            return system(host, port, **options)
        return [answer for one in known[host] for answer in system(one, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return known


def test_dead_addresses(names: dict[str, list[str]]) -> None:
    """A name with twenty addresses where nothing listens fails at once, and says that it was refused."""
    with listening("127.0.0.1") as elsewhere:
        port = elsewhere.getsockname()[1]
        names["dead.example"] = [f"127.0.77.{number}" for number in range(1, 21)]
        began = time.monotonic()
        with pytest.raises(ConnectionRefusedError):
            connect("dead.example", port, 30)
        assert time.monotonic() - began < 5


def test_black_holes(names: dict[str, list[str]]) -> None:
    """Addresses that swallow everything are given up together, at the end of the one limit."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(black_hole("127.0.78.1"))
        addresses = ["127.0.78.1"]
        for number in range(2, MOST + 1):
            stack.enter_context(black_hole(f"127.0.78.{number}", port))
            addresses.append(f"127.0.78.{number}")
        names["holes.example"] = [*addresses, *(f"127.0.78.{number}" for number in range(100, 112))]
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            connect("holes.example", port, 3)
        assert 2.9 < time.monotonic() - began < 8


def test_black_hole_first(names: dict[str, list[str]]) -> None:
    """A black hole of IPv6 before an IPv4 address that works costs a moment."""
    with listening("127.0.79.1") as works:
        port = works.getsockname()[1]
        try:
            hole = black_hole("::1", port)
            with hole:
                names["half.example"] = ["::1", "127.0.79.1"]
                began = time.monotonic()
                with connect("half.example", port, 30) as connected:
                    assert connected.getpeername() == ("127.0.79.1", port)
                    assert connected.gettimeout() is None
                assert time.monotonic() - began < 5
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            pytest.skip("this host has no IPv6 loopback")


def test_refused_before_working(names: dict[str, list[str]]) -> None:
    """An address that refuses is passed at once, without the wait for one that is silent."""
    with listening("127.0.80.9") as works:
        port = works.getsockname()[1]
        names["last.example"] = [*(f"127.0.80.{number}" for number in range(1, MOST)), "127.0.80.9"]
        with connect("last.example", port, 30) as connected:
            assert connected.getpeername()[0] == "127.0.80.9"


def test_families_take_turns() -> None:
    """IPv6 and IPv4 alternate, beginning with the resolver's choice."""
    six = [Address(socket.AF_INET6, (f"::{n}", 1, 0, 0)) for n in range(3)]
    four = [Address(socket.AF_INET, ("127.0.0.1", 1))]
    assert interleaved([*six, *four]) == [six[0], four[0], six[1], six[2]]
    assert interleaved([]) == []


def test_name_server_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that does not answer is not waited for longer than was said."""
    over = threading.Event()

    def silent(host: str, port: int, **options: int) -> list[Any]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"silent\.example"):
        resolve("silent.example", 443, 0.5)
    assert time.monotonic() - began < 5
    over.set()


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..example", ""])
def test_no_name(host: str) -> None:
    """What cannot be a name is an OSError like any other."""
    with pytest.raises(OSError) as caught:
        connect(host, 1, 5)
    assert str(caught.value)


def test_deadline_of_the_pass(names: dict[str, list[str]]) -> None:
    """The pass's deadline ends it, too; once it is over, nothing is begun any more."""
    with black_hole("127.0.81.1") as port:
        began = time.monotonic()
        with deadline.limit(1.0):
            with pytest.raises(TimeoutError):
                connect("127.0.81.1", port, 30)
            with pytest.raises(CertctlError):
                connect("127.0.81.1", port, 30)
        assert time.monotonic() - began < 6
