"""Servers on loopback that say nothing: one takes every connection, the other none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Deaf:
    """Counts who came; nobody is answered."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                self.connections.append(self._socket.accept()[0])

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self.connections:
            connection.close()


@contextlib.contextmanager
def deaf() -> Iterator[Deaf]:
    """One such server."""
    server = Deaf()
    try:
        yield server
    finally:
        server.close()


def listening(host: str, port: int = 0, backlog: int = 16) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((host, port))
    opened.listen(backlog)
    return opened


@contextlib.contextmanager
def black_hole(host: str, port: int = 0) -> Iterator[int]:
    """A port that takes no more connections and refuses none: its backlog is full. Yields the port."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(listening(host, port, backlog=0))
        place = full.getsockname()
        for _ in range(64):
            filler = stack.enter_context(socket.socket(full.family))
            filler.setblocking(False)
            filler.connect_ex(place)
        probe = stack.enter_context(socket.socket(full.family))
        probe.settimeout(0.2)
        try:
            probe.connect(place)
        except TimeoutError:
            pass  # as it is to be
        else:
            raise AssertionError("it takes connections still")
        yield place[1]
