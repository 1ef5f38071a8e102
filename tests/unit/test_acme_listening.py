"""The responders' sockets: both families, shared, open only while needed, and what is said otherwise."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from threading import Event, Thread

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.http01 import Standalone
from certctl.issuers.acme.listening import CONNECTION_TIMEOUT, Listener, Listeners, Place
from certctl.issuers.acme.proof import Proof, Turns
from certctl.issuers.acme.tlsalpn01 import TlsAlpn, offered
from certctl.system.child import NOBODY
from tests.support import inmate


def ask(port: int, address: str = "127.0.0.1") -> str:
    """Return what is served there, or "closed"."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            return connection.recv(100).decode()
    except ConnectionRefusedError:
        return "closed"


def test_open_while_needed(free_port: Callable[[], int]) -> None:
    """Without addresses both families are served; the last that leaves closes, and others can open again."""
    port = free_port()
    listener = Listener(Place("http-01", (), port), inmate.say_what_is_served)
    for _ in range(3):
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(listener.serve({"a": "", "b": ""}))
            second.enter_context(listener.serve({"b": "", "c": ""}))
            assert ask(port) == ask(port, "::1") == "a b c"
            first.close()
            assert ask(port) == "b c"
        assert ask(port) == ask(port, "::1") == "closed"


def test_one_listener_for_two_issuers(free_port: Callable[[], int]) -> None:
    """Two issuers that name the same place do not fight for its port."""
    place = Place("http-01", (f"127.0.0.1:{free_port()}",), 80)
    listeners = Listeners(inmate.say_what_is_served)
    assert listeners.at(place) is listeners.at(Place(*place))
    with listeners.at(place).serve({"a": ""}), listeners.at(place).serve({"b": ""}):
        assert ask(int(place.addresses[0].rpartition(":")[2])) == "a b"


def test_who_was_served(free_port: Callable[[], int]) -> None:
    """Whoever put something up can wait until it was asked for; when it is gone, that is forgotten."""
    port = free_port()
    listener = Listener(Place("http-01", (f"127.0.0.1:{port}",), 80), inmate.say_what_is_served)
    for _ in range(2):
        with listener.serve({"a": "", "b": ""}) as asked:
            assert not asked("a", 0.0)
            thread = Thread(target=ask, args=(port,))
            thread.start()
            assert asked("a", 30.0)
            assert not asked("b", 0.0)
            thread.join(30)


def test_nobody_serves(free_port: Callable[[], int]) -> None:
    """Strangers are answered by another process, as root by nobody; when it dies, a new one takes over."""
    port = free_port()
    listener = Listener(Place("http-01", (f"127.0.0.1:{port}",), 80), inmate.say_who_serves)
    with listener.serve({"a": ""}) as asked:
        number, user = map(int, ask(port).split())
        assert number != os.getpid()
        assert user == (NOBODY if os.getuid() == 0 else os.getuid())
        os.kill(number, signal.SIGKILL)
        with pytest.raises(CertctlError, match="answering for http-01: the process that does this is gone"):
            asked("a", 30.0)
        with listener.serve({"b": ""}):
            assert ask(port).split()[0] != str(number)
        os.kill(int(ask(port).split()[0]), signal.SIGKILL)
    assert ask(port) == "closed"


def test_visitor_that_stays(free_port: Callable[[], int]) -> None:
    """A CA that keeps its connection open is known to have come all the same."""
    port = free_port()
    proof = Proof("x.test", False, "token", "token.thumb")
    other = Proof("y.test", False, "other", "other.thumb")
    with (
        Standalone((f"127.0.0.1:{port}",)).present([proof, other]) as asked,
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
    ):
        connection.sendall(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: x.test\r\n\r\n")
        assert asked(proof, CONNECTION_TIMEOUT / 2)
        assert not asked(other, 0.0)


def test_half_open_is_closed_again(free_port: Callable[[], int]) -> None:
    """If one of several addresses is taken, none stays open."""
    free, taken = free_port(), free_port()
    responder = Standalone((f"127.0.0.1:{free}", f"127.0.0.1:{taken}"))
    with (
        closing(socket.create_server(("127.0.0.1", taken))),
        pytest.raises(CertctlError, match=f":{taken}: another"),
    ):
        responder.present([]).__enter__()
    assert ask(free) == "closed"


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "[::1]"])
def test_address_that_is_none(address: str) -> None:
    """What cannot be listened on is quoted, with how it is written."""
    with pytest.raises(CertctlError, match="listen has") as caught:
        Standalone((address,)).present([]).__enter__()
    assert not caught.value.transient


def test_address_of_another_host() -> None:
    """The system's words are passed on."""
    with pytest.raises(CertctlError, match=r"http-01 cannot listen on 192\.0\.2\.1:80: cannot assign"):
        Standalone(("192.0.2.1:80",)).present([]).__enter__()


def test_silent_and_endless_clients(free_port: Callable[[], int]) -> None:
    """Whoever connects and says nothing, or pours without end, does not keep others from being answered."""
    port = free_port()
    with Standalone((f"127.0.0.1:{port}",)).present([Proof("x.test", False, "token", "token.thumb")]):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as endless:
            endless.sendall(b"x" * 20000)
            assert endless.recv(100).startswith(b"HTTP/1.1 404")
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: x.test\r\n\r\n")
            assert connection.recv(1000).endswith(b"\r\n\r\ntoken.thumb")
        for silent in idle:
            silent.close()


def test_turns() -> None:
    """A name has one order at a time; other names do not wait."""
    turns, entered = Turns(), Event()

    def second() -> None:
        with turns.take({"b", "a"}):
            entered.set()

    with turns.take({"a"}):
        thread = Thread(target=second)
        thread.start()
        with turns.take({"c"}):
            time.sleep(0.05)
        assert not entered.is_set()
    thread.join(5)
    assert entered.is_set()


def test_idle_visitors_do_not_starve_the_ca(free_port: Callable[[], int]) -> None:
    """However many connect and say nothing, the CA is answered at once: the oldest of them have to go."""
    port = free_port()
    proof = Proof("x.test", False, "token", "token.thumb")
    with Standalone((f"127.0.0.1:{port}",)).present([proof]) as asked, ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(150)
        ]
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: x.test\r\n\r\n")
            assert b"token.thumb" in connection.recv(4096)
        assert time.monotonic() - began < CONNECTION_TIMEOUT / 2
        assert asked(proof, 5.0)
        assert b"token.thumb" not in idle[0].recv(100)


def hello(alpn: list[str] | None, name: str = "x.test") -> bytes:
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("alpn", [None, ["acme-tls/1"], ["h2", "http/1.1"], ["h2", "acme-tls/1"]])
def test_protocols_of_a_client(alpn: list[str] | None) -> None:
    """They and the name are read from a whole ClientHello, in whatever pieces; never from a part."""
    data = hello(alpn)
    assert offered(data) == ("x.test", tuple(name.encode() for name in alpn or []))
    assert all(offered(data[:end]) is None for end in range(0, len(data), 7))
    body = data[5:]
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    records = b"".join(data[:3] + bytes([0, len(piece)]) + piece for piece in pieces)
    assert offered(records) == offered(data)


@pytest.mark.parametrize("seed", range(30))
def test_client_hello_that_is_none(seed: int) -> None:
    """Damaged messages are a ValueError, incomplete, or read as something else; never anything worse."""
    dice = random.Random(seed)
    for _ in range(200):
        data = bytearray(hello_of_ours())
        for _ in range(dice.randrange(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with contextlib.suppress(ValueError):
            offered(bytes(data))
    with pytest.raises(ValueError, match=r"."):
        offered(b"GET / HTTP/1.1\r\n")


@functools.cache
def hello_of_ours() -> bytes:
    return hello(["acme-tls/1"])


@pytest.mark.parametrize("alpn", [None, ["h2"], ["acme-tls/1"]])
def test_handshake_without_acme_tls(free_port: Callable[[], int], alpn: list[str] | None) -> None:
    """Only who offers acme-tls/1 gets a certificate; everybody else an alert, and nobody counts as the CA."""
    port = free_port()
    proof = Proof("x.test", False, "token", "token.thumb")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    with TlsAlpn((f"127.0.0.1:{port}",)).present([proof]) as asked:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            if alpn == ["acme-tls/1"]:
                with context.wrap_socket(connection, server_hostname="x.test") as tls:
                    assert tls.selected_alpn_protocol() == "acme-tls/1"
                    assert tls.getpeercert(binary_form=True)
            else:
                with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                    context.wrap_socket(connection, server_hostname="x.test")
        assert asked(proof, 5.0 if alpn == ["acme-tls/1"] else 0.3) == (alpn == ["acme-tls/1"])
