"""http-01 (RFC 8555 §8.3): by a responder of one's own, or by files for the host's web server."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.listening import CONNECTION_TIMEOUT, Listeners, Place, Seen, hang_up
from certctl.issuers.acme.proof import Asked, Holders, Item, Leftovers, Proof
from certctl.store import atomic
from certctl.system.child import as_user
from certctl.system.directories import owner_of

PREFIX = "/.well-known/acme-challenge/"
PORT = 80
KIND = "webroot"
"""Of leftovers."""
_LARGEST = 8192
_INNER = PREFIX.strip("/")
_log = logging.getLogger("certctl.acme")


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


class Webroot:
    """Puts tokens below *webroot*, readable by the web server, and takes them away again.

    Below it no symlink is followed, and root acts as the owner of the directory.
    """

    def __init__(self, webroot: str, leftovers: Leftovers) -> None:
        self._webroot = os.path.normpath(webroot)
        self._directory = os.path.join(self._webroot, _INNER)
        self._leftovers = leftovers
        self._holders = Holders()

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[None]:
        items = [(os.path.join(self._directory, proof.token),) for proof in proofs]
        if not os.path.isdir(self._webroot):
            raise IssuerError(
                f"the webroot {self._webroot} is no directory",
                "set webroot to the directory that the web server serves at /",
                transient=False,
            )
        note = self._leftovers.note(KIND, items)
        for item in items:
            self._holders.hold(item[0])
        try:
            texts = {proof.token: proof.key_authorization for proof in proofs}
            as_user(owner_of(self._directory, self._webroot), put_up, self._webroot, _INNER, texts)
            yield
        finally:
            free = {item[0] for item in items if self._holders.release(item[0])}
            _take_down(self._webroot, sorted(map(os.path.basename, free)))
            self._leftovers.clear(note, [item for item in items if item[0] in free], remove)


def remove(item: Item) -> None:
    """Take away one token's file, and what a crash in the middle of writing it has left, if it is there."""
    directory, name = os.path.split(item[0])
    webroot = os.path.normpath(directory.removesuffix(_INNER))
    if any(map(os.path.lexists, files(webroot, _INNER, name))):
        as_user(owner_of(directory, webroot), take_down, webroot, _INNER, [name])


def _take_down(webroot: str, names: Sequence[str]) -> None:
    """Take away all files of an order in one go; what is still there is taken away one by one, and told."""
    try:
        owner = owner_of(os.path.join(webroot, _INNER), webroot)
        as_user(owner, take_down, webroot, _INNER, names)
    except CertctlError as error:
        _log.debug("%s", error)


# --- as the owner of the webroot -----------------------------------------------------------------


def put_up(webroot: str, inner: str, texts: Mapping[str, str]) -> None:
    """Write each text, readable by the web server, to the file of that name in *inner* below *webroot*.

    Below it no symlink is followed. Raises StoreError.
    """
    directory = os.path.join(webroot, inner)
    atomic.make_directory(directory, 0o755, webroot)
    for name, text in texts.items():
        # Nobody asks for it after a power cut, and the note, which is durable, takes it away.
        atomic.replace_cache(os.path.join(directory, name), text.encode(), 0o644, webroot)


def take_down(webroot: str, inner: str, names: Iterable[str]) -> None:
    """Remove the files again, and what a crash in the middle of writing them has left. Raises StoreError."""
    for name in names:
        for path in files(webroot, inner, name):
            atomic.remove(path, webroot)


def files(webroot: str, inner: str, name: str) -> tuple[str, str]:
    """The file of a token, and the one that it is written to first."""
    directory = os.path.join(webroot, inner)
    return os.path.join(directory, name), os.path.join(directory, f".{name}{atomic.TEMPORARY}")
