"""Small servers for the probe's tests: one that plays a script in clear text, one that speaks TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

from tests.real.servers.pki import Identity

Play = Callable[[socket.socket], None]

# RFC 2409 §6.2: 1024 bits, as nobody should use any more.
OAKLEY_2 = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)


@contextlib.contextmanager
def serving(play: Play, *, at_once: int = 16, family: int = socket.AF_INET) -> Iterator[int]:
    """Serve on loopback, *at_once* connections at a time, and yield the port; *play* has each connection."""
    listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:  # shut down
                return
            with connection:
                connection.settimeout(5)
                with contextlib.suppress(OSError):  # the probe may hang up at any time
                    play(connection)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(at_once)]
    for worker in workers:
        worker.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for worker in workers:
            worker.join(5)


def script(*steps: tuple[bytes, bytes], heard: list[bytes] | None = None) -> Play:
    """Say each step's second part once a line that begins with the first was heard; b"" needs none."""

    def play(connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            for wanted, said in steps:
                if wanted:
                    line = lines.readline()
                    if heard is not None:
                        heard.append(line)
                    if not line.upper().startswith(wanted.upper()):
                        connection.sendall(b"500 unexpected " + line)
                        return
                connection.sendall(said)
            lines.readline()

    return play


def tls(context: ssl.SSLContext, *, before: Play | None = None, after: bytes = b"") -> Play:
    """Shake hands after *before*, say *after*, and listen to the end."""

    def play(connection: socket.socket) -> None:
        if before is not None:
            before(connection)
        with context.wrap_socket(connection, server_side=True) as session:
            session.sendall(after)
            while session.recv(4096):
                pass

    return play


def tls_context(directory: str, identities: Sequence[Identity]) -> ssl.SSLContext:
    """A server's context with one certificate an algorithm."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for number, identity in enumerate(identities):
        name = f"bundle-{number}.pem"
        identity.save(directory, name)
        context.load_cert_chain(os.path.join(directory, name))
    return context
