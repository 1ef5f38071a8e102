"""A reverse proxy before Pebble that lets requests of a conversation go wrong, in the way that it is told."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.real.servers.pebble import Pebble, pebble
from tests.real.servers.pki import make_authority, make_identity
from tests.real.servers.ports import free_port
from tests.real.servers.scratch import scratch_directory, write

WORDS = "the CA has a cold"
PAUSE = 120


class Reply(NamedTuple):
    """An answer on its way to the client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Exchange(NamedTuple):
    """One request as the proxy saw it."""

    number: int
    method: str
    path: str
    body: bytes
    forward: Callable[[], Reply]
    handler: BaseHTTPRequestHandler

    @property
    def payload(self) -> Any:
        """What a signed request says; None where it says nothing (POST-as-GET)."""
        text = json.loads(self.body)["payload"]
        return json.loads(base64.urlsafe_b64decode(text + "===")) if text else None


Fault = Callable[[Exchange], Reply | None]
"""Makes the answer; None: the connection is dropped."""


def problem(status: int, *headers: tuple[str, str]) -> Reply:
    code = "rateLimited" if status == 429 else "serverInternal"
    document = {"type": f"urn:ietf:params:acme:error:{code}", "detail": WORDS, "status": status}
    body = json.dumps(document).encode()
    return Reply(status, [("Content-Type", "application/problem+json"), *headers], body)


def drop(exchange: Exchange) -> None:
    """The request never arrives."""


def lose(exchange: Exchange) -> None:
    """The request arrives, its answer does not."""
    exchange.forward()


def internal_error(exchange: Exchange) -> Reply:
    return problem(500)


def bare_error(exchange: Exchange) -> Reply:
    return Reply(502, [("Content-Type", "text/html")], b"<html><h1>Bad Gateway</h1></html>")


def unavailable_seconds(exchange: Exchange) -> Reply:
    return problem(503, ("Retry-After", str(PAUSE)))


def unavailable_date(exchange: Exchange) -> Reply:
    return problem(503, ("Retry-After", _date(PAUSE)), ("Date", _date(0)))


def limited_seconds(exchange: Exchange) -> Reply:
    return problem(429, ("Retry-After", str(PAUSE)))


def limited_date(exchange: Exchange) -> Reply:
    return problem(429, ("Retry-After", _date(PAUSE)))


def html(exchange: Exchange) -> Reply:
    """A captive portal, with status 200."""
    return Reply(200, [("Content-Type", "text/html")], b"<!DOCTYPE html><title>Please log in</title>")


def empty(exchange: Exchange) -> Reply:
    reply = exchange.forward()
    return reply._replace(body=b"") if reply.status < 400 else reply


def cut(exchange: Exchange) -> Reply:
    """Half of the answer, as if it were all."""
    reply = exchange.forward()
    return reply._replace(body=reply.body[: len(reply.body) // 2]) if reply.status < 400 else reply


def torn(exchange: Exchange) -> None:
    """Half of the answer, then the connection ends."""
    reply = exchange.forward()
    _send(exchange.handler, reply, reply.body[: len(reply.body) // 2])


def slow(exchange: Exchange) -> None:
    """A byte now and then: never silent for long, never done."""
    _send(exchange.handler, exchange.forward(), b"")
    with contextlib.suppress(OSError):
        for _ in range(200):
            exchange.handler.wfile.write(b" ")
            exchange.handler.wfile.flush()
            time.sleep(0.05)


def foreign(exchange: Exchange) -> Reply:
    """Somebody else's certificate in place of ours; other answers as they are."""
    reply = exchange.forward()
    if b"-----BEGIN CERTIFICATE-----" not in reply.body:
        return reply
    return reply._replace(body=make_identity(["stranger.example.test"]).fullchain_pem)


def leaf_only(exchange: Exchange) -> Reply:
    """The certificate without those of its issuers; other answers as they are."""
    reply = exchange.forward()
    end = b"-----END CERTIFICATE-----\n"
    return reply._replace(body=reply.body.partition(end)[0] + end) if end in reply.body else reply


def _with(reply: Reply, **fields: Any) -> Reply:
    return reply._replace(body=json.dumps({**json.loads(reply.body), **fields}).encode())


def other_name(exchange: Exchange) -> Reply:
    """The authorization is for a name of somebody else."""
    return _with(exchange.forward(), identifier={"type": "dns", "value": "bank.example.test"})


def other_kind(exchange: Exchange) -> Reply:
    """The authorization is for an address that reads like nothing that was ordered."""
    return _with(exchange.forward(), identifier={"type": "ip", "value": "127.0.0.1"})


def wildcard(exchange: Exchange) -> Reply:
    """The authorization is for all names below the one that was ordered."""
    return _with(exchange.forward(), wildcard=True)


def many_authorizations(exchange: Exchange) -> Reply:
    """The order has its authorization three thousand times."""
    reply = exchange.forward()
    if reply.status >= 300:
        return reply
    urls = json.loads(reply.body)["authorizations"]
    return _with(reply, authorizations=[f"{url}/{n}" for url in urls for n in range(3000)])


def endless_link(exchange: Exchange) -> Reply:
    """A Link header that makes a backtracking parser work for a minute; the answer is right besides."""
    reply = exchange.forward()
    return reply._replace(headers=[*reply.headers, ("Link", "<" * 60000)])


def packed(exchange: Exchange) -> Reply:
    """The body is said to be compressed."""
    reply = exchange.forward()
    return reply._replace(headers=[*reply.headers, ("Content-Encoding", "gzip")])


def the_nth(number: int) -> Callable[[int, str], bool]:
    """Pick one request by its number, from 0."""
    return lambda seen, _: seen == number


class Proxy:
    """Counts requests, and applies *fault* to those that *when* picks."""

    def __init__(self, url: str, ca_file: str) -> None:
        self.directory_url = url
        self.ca_file = ca_file
        self._lock = threading.Lock()
        self.reset()

    def reset(self, fault: Fault | None = None, when: Callable[[int, str], bool] = lambda *_: False) -> None:
        """Begin a new count; *when* gets each request's number from 0, and its path."""
        with self._lock:
            self._fault = fault
            self._when = when
            self.requests: list[str] = []
            self.answered: list[tuple[str, int]] = []

    def count(self, part: str) -> int:
        """How many requests whose path contains *part* the CA has accepted."""
        return sum(part in path and status < 300 for path, status in self.answered)

    def arrived(self, path: str) -> tuple[int, Fault | None]:
        with self._lock:
            number = len(self.requests)
            self.requests.append(path)
            return number, self._fault if self._when(number, path) else None

    def note(self, path: str, status: int) -> None:
        with self._lock:
            self.answered.append((path, status))


@contextlib.contextmanager
def proxy(directory: str, before: Pebble) -> Iterator[Proxy]:
    """Run the proxy of *before*, which makes its URLs from the Host header: all requests come this way."""
    port = free_port()
    authority = make_authority("the proxy's")
    ca_file = write(os.path.join(directory, "proxy-ca.pem"), authority.root_pem)
    bundle = make_identity(["localhost", "127.0.0.1"], authority=authority).save(directory, "proxy.pem")
    found = Proxy(f"https://localhost:{port}/dir", ca_file)
    backend = int(before.directory_url.rpartition(":")[2].partition("/")[0])
    trust = ssl.create_default_context(cafile=before.ca_file)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            number, fault = found.arrived(self.path)

            def forward() -> Reply:
                server = http.client.HTTPSConnection("localhost", backend, context=trust, timeout=10)
                with contextlib.closing(server):
                    server.request(self.command, self.path, body or None, dict(self.headers))
                    answer = server.getresponse()
                    data = answer.read()
                found.note(self.path, answer.status)
                unwanted = ("content-length", "transfer-encoding", "connection")
                headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in unwanted]
                return Reply(answer.status, headers, data)

            exchange = Exchange(number, self.command, self.path, body, forward, self)
            reply = fault(exchange) if fault else forward()
            if reply is None:
                self.close_connection = True
            else:
                _send(self, reply, reply.body)

        do_GET = do_HEAD = do_POST = _any  # noqa: N815 (the library's names)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that give up are expected
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _send(handler: BaseHTTPRequestHandler, reply: Reply, body: bytes) -> None:
    handler.send_response_only(reply.status)
    for name, value in reply.headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.body)))
    head = b"".join(handler._headers_buffer)  # type: ignore[attr-defined]
    handler._headers_buffer = []  # type: ignore[attr-defined]
    # In one piece: two would wait for each other's acknowledgement (Nagle's algorithm).
    handler.wfile.write(head + b"\r\n" + (body if handler.command != "HEAD" else b""))


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


class Behind(NamedTuple):
    """Pebble, and the proxy before it."""

    pebble: Pebble
    proxy: Proxy
    directory: str
    """For whatever else belongs to them."""


@contextlib.contextmanager
def pebble_behind_proxy(nonce_reject: int) -> Iterator[Behind]:
    """Run both in a directory of their own; *nonce_reject*: per cent of nonces that Pebble refuses."""
    with scratch_directory() as directory, contextlib.ExitStack() as stack:
        for name in ("pebble", "proxy"):
            os.mkdir(os.path.join(directory, name))
        server = stack.enter_context(pebble(f"{directory}/pebble", nonce_reject=nonce_reject))
        yield Behind(server, stack.enter_context(proxy(f"{directory}/proxy", server)), directory)
