"""Fetching from servers that mean no good: bounded in time, in size, and in where they can lead."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.peers.fetch import Fetched, fetch
from certctl.system.child import end_all
from tests.real.servers import pki

Answer = Callable[[socket.socket, str], None]
END = b"\r\n\r\n"


class Server:
    """Answers each connection with *answer*, which gets the connection and the request's head."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self.over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "https" if self._context else "http"
        return f"{scheme}://localhost:{self.port}/pins"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection as wrapped:
                head = b""
                while END not in head:
                    head += wrapped.recv(4096)
                self.requests.append(head.decode())
                self.answer(wrapped, head.decode())
        except (OSError, ValueError):
            return

    def close(self) -> None:
        self.over.set()
        self._socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers = []

    def start(answer: Answer, context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(answer, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def says(head: str, body: bytes = b"") -> Answer:
    """Send this and close."""

    def answer(connection: socket.socket, _: str) -> None:
        connection.sendall(head.encode().replace(b"\n", b"\r\n") + END + body)

    return answer


def ok(body: bytes, more: str = "") -> Answer:
    return says(f"HTTP/1.1 200 OK\nContent-Length: {len(body)}{more}", body)


def refused(url: str, timeout: float = 0.5, largest: int = 1000) -> str:
    """Fetching fails within the time; returns the reason."""
    begin = time.monotonic()
    with pytest.raises(CertctlError) as caught:
        fetch(url, timeout=timeout, largest=largest)
    assert time.monotonic() - begin < timeout + 1
    return caught.value.message


def test_fetch_and_etag(serve: Callable[..., Server]) -> None:
    """The ETag of the last answer goes into If-None-Match, and 304 says that nothing changed."""

    def answer(connection: socket.socket, head: str) -> None:
        if 'If-None-Match: "v1"' in head:
            says('HTTP/1.1 304 Not Modified\nETag: "v1"')(connection, head)
        else:
            ok(b"feed", '\nETag: "v1"')(connection, head)

    server = serve(answer)
    assert fetch(server.url) == Fetched(b"feed", '"v1"')
    assert fetch(server.url, '"v1"') == Fetched(None, '"v1"')
    assert "Accept-Encoding: identity" in server.requests[0]
    assert "GET /pins HTTP/1.1" in server.requests[0]


def test_without_length_and_chunked(serve: Callable[..., Server]) -> None:
    """Bodies that end with the connection, or come in chunks, are read whole."""
    assert fetch(serve(says("HTTP/1.0 200 OK", b"feed")).url).data == b"feed"
    chunked = says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nfe\r\n2\r\ned\r\n0\r\n\r\n")
    assert fetch(serve(chunked).url).data == b"feed"


def _nothing(connection: socket.socket, head: str) -> None:
    """Close without a word."""


def _byte_by_byte(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    for _number in range(900):
        connection.sendall(b"x")
        time.sleep(0.02)


def _headers_without_end(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(900):
        connection.sendall(f"X-{number}: y\r\n".encode())
        time.sleep(0.02)


def _continue_for_ever(connection: socket.socket, _: str) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def _silence(connection: socket.socket, _: str) -> None:
    connection.recv(1)


def _body_without_end(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nabc")
    connection.recv(1)


@pytest.mark.parametrize(
    "answer", [_byte_by_byte, _headers_without_end, _continue_for_ever, _silence, _body_without_end]
)
def test_slow(serve: Callable[..., Server], answer: Answer) -> None:
    """However a server drags it out, the whole exchange ends in time."""
    assert "it takes longer than 0.5 s" in refused(serve(answer).url)


def test_slow_handshake() -> None:
    """A server that never begins TLS is given up in time."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert "longer than" in refused(f"https://localhost:{listening.getsockname()[1]}/")


def test_huge(serve: Callable[..., Server]) -> None:
    """More than the limit is refused, whether its length is told, hidden, or chunked."""

    def flood(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert "larger than 1000 bytes" in refused(serve(ok(b"x" * 1001)).url)
    assert "larger than 1000 bytes" in refused(serve(flood).url, timeout=5)
    chunked = says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
    assert "larger than 1000 bytes" in refused(serve(chunked).url)
    assert fetch(serve(ok(b"x" * 1000)).url, largest=1000).data == b"x" * 1000


def test_cut_short(serve: Callable[..., Server]) -> None:
    """A body that is shorter than it was said to be is no body."""
    reason = refused(serve(says("HTTP/1.1 200 OK\nContent-Length: 100", b"abc")).url)
    assert "cut short" in reason or "incomplete" in reason


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://localhost:{port}/pins",
        "http://127.0.0.1:{port}/pins",
        "http://localhost:1/pins",
        "http://localhost@127.0.0.1/",
        "file:///etc/passwd",
        "//evil.example/pins",
        "gopher://localhost:{port}/x",
    ],
)
def test_redirected_elsewhere(serve: Callable[..., Server], target: str) -> None:
    """A redirect to another scheme, host or port is not followed: nobody else is asked on a peer's word."""
    server = serve(_nothing)
    server.answer = says(
        f"HTTP/1.1 302 Found\nLocation: {target.format(port=server.port)}\nContent-Length: 0"
    )
    assert "redirects to another host" in refused(server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://localhost:99999/",
        "http://[::1",
        "http://[localhost]/",
        "http://localhost:x/",
        "//[",
        "http://a]b/",
    ],
)
def test_redirected_to_nonsense(serve: Callable[..., Server], target: str) -> None:
    """A redirect to what is no URL is refused like any other that is not followed."""
    reason = refused(serve(says(f"HTTP/1.1 302 Found\nLocation: {target}\nContent-Length: 0")).url)
    assert "redirects to" in reason
    assert reason.isprintable()


def test_redirected_at_home(serve: Callable[..., Server]) -> None:
    """On its own host a redirect is followed, but not for ever."""

    def answer(connection: socket.socket, head: str) -> None:
        if "/pins " in head:
            says("HTTP/1.1 301 Moved\nLocation: /new?x=1\nContent-Length: 0")(connection, head)
        elif "/new?x=1 " in head:
            ok(b"feed")(connection, head)
        else:
            says("HTTP/1.1 302 Found\nLocation: /loop\nContent-Length: 0")(connection, head)

    server = serve(answer)
    assert fetch(server.url).data == b"feed"
    assert "redirects more than 3 times" in refused(server.url.replace("/pins", "/loop"))


@pytest.mark.parametrize(
    "answer",
    [
        says("HTTP/1.1 404 Not Found\nContent-Length: 0"),
        says("HTTP/1.1 500 \x1b[31mred\nContent-Length: 0"),
        says("HTTP/1.1 204 No Content"),
        says("HTTP/1.1 206 Partial Content\nContent-Length: 3", b"abc"),
        ok(b"\x1f\x8b", "\nContent-Encoding: gzip"),
        says("SSH-2.0-OpenSSH_9.2"),
        says("HTTP/1.1 200 OK\nContent-Length: nonsense"),
        says("HTTP/1.1 200 OK\n" + "X: " + "y" * 70000),
        says("HTTP/1.1 200 OK" + "".join(f"\nX-{number}: y" for number in range(200))),
        _nothing,
    ],
    ids=range(10),
)
def test_nonsense(serve: Callable[..., Server], answer: Answer) -> None:
    """Other statuses, other protocols, bad and too many headers: told, without control characters in it."""
    try:
        reason = refused(serve(answer).url)
    except pytest.fail.Exception:
        # A length that is no number leaves the end of the connection as the end of the body.
        assert fetch(serve(answer).url).data == b""
        return
    assert reason.isprintable()


def test_certificates_are_checked(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """https means a certificate that this host trusts, for the name that was asked for."""
    authority = pki.make_authority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root_pem)

    def context(name: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(pki.make_identity([name], authority=authority).save(str(tmp_path)))
        return made

    right = serve(ok(b"feed"), context("localhost"))
    assert "is not trusted" in refused(right.url, timeout=5)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    end_all()  # the process has read the roots as it started
    assert fetch(right.url).data == b"feed"
    wrong = serve(ok(b"feed"), context("other.example"))
    assert "is not trusted" in refused(wrong.url, timeout=5)


def test_nobody_there() -> None:
    """A refused connection and a name that does not exist are told as such."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "connection refused" in refused(f"http://localhost:{port}/")


def test_files(tmp_path: Path) -> None:
    """A path is read like a feed: a regular file within the limit, never a pipe that hangs."""
    import os

    path = tmp_path / "feed"
    path.write_bytes(b"feed")
    assert fetch(str(path)).data == b"feed"
    path.write_bytes(b"x" * 1001)
    assert "larger than 1000 bytes" in refused(str(path))
    assert "cannot read" in refused(str(tmp_path / "missing"))
    assert "not a regular file" in refused(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refused(str(tmp_path / "pipe"))
    assert "not a regular file" in refused("/dev/zero")
