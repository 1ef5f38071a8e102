"""Every challenge that a host can answer by itself, against a real Pebble that rejects every fifth nonce."""

from __future__ import annotations

import os
import socket
import ssl
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.http01 import Standalone
from certctl.issuers.acme.proof import Proof
from certctl.issuers.acme.tlsalpn01 import TlsAlpn
from tests.real.acme_world import World, checked
from tests.real.servers.pebble import pebble
from tests.real.servers.start import Start


@pytest.fixture
def world(start: Start, scratch: str) -> World:
    return World(start(pebble, nonce_reject=20), scratch)


def refuses(port: int, address: str = "127.0.0.1") -> bool:
    """True if nobody listens there."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return False
    except ConnectionRefusedError:
        return True


def test_standalone_http(world: World) -> None:
    """http-01 by the responder of our own: several names in one order, the port is free again after it."""
    request = world.request("a.example.test", "b.example.test", "c.example.test")
    checked(world.issuer().issue(request), request, world.pebble.root())
    assert refuses(world.pebble.http_port)


def test_standalone_http_on_ipv6_only(start: Start, scratch: str) -> None:
    """A name that has an IPv6 address is validated over IPv6: the responder is there."""
    world = World(start(pebble, nonce_reject=20, ipv6="::1"), scratch)
    request = world.request("six.example.test")
    issuer = world.issuer(listen=(f"[::1]:{world.pebble.http_port}",))
    checked(issuer.issue(request), request, world.pebble.root())


def test_ip_address(world: World) -> None:
    """An IP address is a name like others (RFC 8738), beside a DNS name and alone."""
    issuer = world.issuer()
    both = world.request("mixed.example.test", "127.0.0.1")
    checked(issuer.issue(both), both, world.pebble.root())
    alone = world.request("127.0.0.1", certificate="alone")
    checked(issuer.issue(alone), alone, world.pebble.root())


def test_tls_alpn(world: World) -> None:
    """tls-alpn-01 for DNS names and for an IP address, whose SNI is its reverse name."""
    issuer = world.issuer(challenge="tls-alpn-01")
    request = world.request("alpn.example.test", "127.0.0.1")
    checked(issuer.issue(request), request, world.pebble.root())
    assert refuses(world.pebble.tls_port)


def test_webroot(world: World) -> None:
    """Tokens for a web server of the host's own are readable by it, and gone afterwards."""
    root = os.path.join(world.directory, "www")
    os.mkdir(root)
    modes: list[int] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=root)

        def do_GET(self) -> None:
            modes.append(os.stat(root + self.path).st_mode & 0o777)
            super().do_GET()

        def log_message(self, format: str, *arguments: Any) -> None: ...  # noqa: A002 (the library's name)

    with ThreadingHTTPServer(("127.0.0.1", world.pebble.http_port), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        request = world.request("w1.example.test", "w2.example.test")
        checked(world.issuer(webroot=root).issue(request), request, world.pebble.root())
        server.shutdown()
    assert set(modes) == {0o644}
    assert os.listdir(os.path.join(root, ".well-known/acme-challenge")) == []
    assert os.listdir(os.path.join(world.directory, "issuers/ca/leftovers")) == []


def test_wildcard_needs_dns(world: World) -> None:
    """What the CA does not offer for a name is said, with what it does offer."""
    with pytest.raises(
        CertctlError, match=r"does not offer http-01 for \*\.example\.test, but dns-.*01"
    ) as caught:
        world.issuer().issue(world.request("*.example.test"))
    assert (caught.value.transient, caught.value.hint) == (False, "set challenge to dns-01 in [issuer.ca]")


@pytest.mark.parametrize("algorithm", ["rsa-2048", "ecdsa-p384"])
def test_other_keys(world: World, algorithm: str) -> None:
    """Each key algorithm that public CAs take gets its certificate."""
    request = world.request("k.example.test", algorithm=algorithm)
    checked(world.issuer().issue(request), request, world.pebble.root())


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_two_orders_for_one_name_at_once(world: World, challenge: str) -> None:
    """Several algorithms have orders of their own at the same time, for the same names."""
    issuer = world.issuer(challenge=challenge)
    requests = [
        world.request("same.example.test", algorithm=a) for a in ("ecdsa-p256", "rsa-2048", "ecdsa-p384")
    ]
    with ThreadPoolExecutor(3) as pool:
        for request, answer in zip(requests, pool.map(issuer.issue, requests), strict=True):
            checked(answer, request, world.pebble.root())


def test_many_at_once(start: Start, scratch: str) -> None:
    """Twenty orders share account, connections, nonces and responder; every second nonce is rejected."""
    world = World(start(pebble, nonce_reject=50), scratch)
    issuer = world.issuer(max_orders=8)
    requests = [world.request(f"m{n}.example.test", certificate=f"m{n}") for n in range(20)]
    with ThreadPoolExecutor(20) as pool:
        for request, answer in zip(requests, pool.map(issuer.issue, requests), strict=True):
            checked(answer, request, world.pebble.root())
    assert refuses(world.pebble.http_port)


def test_taken_port(world: World) -> None:
    """A port that another program has is named, with the command that finds it, and the order waits."""
    request = world.request("taken.example.test")
    with (
        closing(socket.create_server(("127.0.0.1", world.pebble.http_port))),
        pytest.raises(CertctlError, match="another program has the port") as caught,
    ):
        world.issuer().issue(request)
    assert f"ss -ltnp 'sport = :{world.pebble.http_port}'" in str(caught.value.hint)
    checked(world.issuer().issue(request), request, world.pebble.root())


def test_responder_serves_nothing_but_tokens(free_port: Any) -> None:
    """Other paths, methods and unknown tokens get 404; the port answers on both families."""
    port = free_port()
    responder = Standalone((f"127.0.0.1:{port}", f"[::1]:{port}"))
    with responder.present([Proof("x.test", False, "t" * 22, "t" * 22 + ".thumb")]):
        for host in ("127.0.0.1", "[::1]"):
            base = f"http://{host}:{port}"
            with urllib.request.urlopen(f"{base}/.well-known/acme-challenge/{'t' * 22}", timeout=5) as answer:
                assert answer.read() == b"t" * 22 + b".thumb"
            for path in (
                "/",
                "/.well-known/acme-challenge/",
                "/.well-known/acme-challenge/../x",
                "/etc/passwd",
            ):
                with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                    urllib.request.urlopen(base + path, timeout=5)
                refused.value.close()
            post = urllib.request.Request(
                f"{base}/.well-known/acme-challenge/{'t' * 22}", b"x", method="POST"
            )
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                urllib.request.urlopen(post, timeout=5)
            refused.value.close()
    assert refuses(port)


def test_tls_responder_speaks_nothing_but_acme(free_port: Any) -> None:
    """A handshake for another name fails; for the right one it yields protocol and certificate."""
    port = free_port()
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols(["acme-tls/1"])
    with TlsAlpn((f"127.0.0.1:{port}",)).present([Proof("x.test", False, "t", "t.thumb")]):
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", port)) as raw:
            client.wrap_socket(raw, server_hostname="other.test")
        raw = socket.create_connection(("127.0.0.1", port))
        with client.wrap_socket(raw, server_hostname="x.test") as tls:
            assert tls.selected_alpn_protocol() == "acme-tls/1"
            assert b"acme-tls/1 validation" in (tls.getpeercert(binary_form=True) or b"")
