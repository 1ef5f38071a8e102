"""Zones on real BINDs that a resolver finds at port 53 of their own loopback addresses, as in the world."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

from tests.real.servers.bind import Bind
from tests.real.servers.ports import free_port
from tests.real.servers.require import root


def own_address() -> str:
    """Return an address in 127.0.0.0/8 that no other test is given."""
    port = free_port()
    return f"127.{port >> 8}.{port & 255}.1"


@contextlib.contextmanager
def at_port_53(server: Bind, address: str) -> Iterator[None]:
    """Pass queries to *address*, UDP port 53, on to *server*: BIND itself binds only what interfaces have."""
    root("a DNS server at port 53")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        outside.bind((address, 53))
        outside.settimeout(0.05)
        over = threading.Event()

        def relay() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    query, asker = outside.recvfrom(4096)
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside:
                        inside.settimeout(2)
                        inside.sendto(query, (server.address, server.port))
                        outside.sendto(inside.recv(4096), asker)

        thread = threading.Thread(target=relay)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def serve_at(server: Bind, *addresses: str) -> None:
    """Let the zone's NS records say ns1, ns2, … with these addresses."""
    update = server.update()
    update.delete(f"ns1.{server.zone}.", "A")
    for number, address in enumerate(addresses, 1):
        update.add(f"{server.zone}.", 1, "NS", f"ns{number}.{server.zone}.")
        update.add(f"ns{number}.{server.zone}.", 1, "A", address)
    server.send(update)
