"""http-01 by a responder of one's own (RFC 8555 §8.3): port 80, while an order needs it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence

from certctl.issuers.acme.listening import CONNECTION_TIMEOUT, Listeners, Place, Seen, hang_up
from certctl.issuers.acme.proof import Asked, Proof

PREFIX = "/.well-known/acme-challenge/"
PORT = 80
_LARGEST = 8192


class Standalone:
    """Answers the CA's requests for tokens, and nothing else."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """*addresses*: "HOST:PORT"; none: port 80 of all addresses."""
        self._listener = _listeners.at(Place("http-01", tuple(addresses), PORT))
        self._listener.start()

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[Asked]:
        tokens = {proof.token: proof.key_authorization for proof in proofs}
        with self._listener.serve(tokens) as asked:
            yield lambda proof, seconds: asked(proof.token, seconds)


def answer(connection: socket.socket, served: Mapping[str, str], seen: Seen) -> None:
    """Answer one request."""
    token = _token(_head(connection))
    body = served.get(token, "").encode()
    status = b"200 OK" if body else b"404 Not Found"
    head = b"HTTP/1.1 %b\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n" % (
        status,
        len(body),
    )
    connection.sendall(head + b"Connection: close\r\n\r\n" + body)
    seen(token)
    hang_up(connection)


def _head(connection: socket.socket) -> bytes:
    """Return the request up to the end of its header; one that trickles in is cut off."""
    data = b""
    until = time.monotonic() + CONNECTION_TIMEOUT
    while b"\r\n\r\n" not in data and b"\n\n" not in data and len(data) < _LARGEST:
        connection.settimeout(max(until - time.monotonic(), 0.001))
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data


def _token(head: bytes) -> str:
    """Return the token that a GET asks for, or an empty string."""
    words = head.split(b"\n", 1)[0].split()
    if len(words) < 2 or words[0] != b"GET":
        return ""
    target = words[1].decode("latin-1").partition("?")[0]
    return target.removeprefix(PREFIX) if target.startswith(PREFIX) else ""


_listeners = Listeners(answer)
