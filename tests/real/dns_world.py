"""Zones on real BINDs that a resolver finds at port 53 of their own loopback addresses, as in the world."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import NamedTuple

from tests.real.servers.bind import Bind, bind, secondary
from tests.real.servers.ports import free_port
from tests.real.servers.process import until
from tests.real.servers.require import root
from tests.real.servers.start import Start

ZONE = "example.test"


class Zone(NamedTuple):
    """A zone on two servers that the world finds at port 53 of addresses of their own."""

    primary: Bind
    follower: Bind
    addresses: tuple[str, str]

    def owner(self, port: int = 25) -> str:
        return f"_{port}._tcp.mx"

    def tlsa(self, port: int = 25) -> list[str]:
        return [record.lower() for record in self.primary.records(self.owner(port), "TLSA")]


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


def make_zone(start: Start, *, signed: bool = False, told: bool = False) -> Zone:
    """Start both servers; *told*: the primary notifies the secondary of changes, so that it does not lag."""
    port = free_port()
    notified = [f"127.0.0.1 port {port}"] if told else []
    primary = start(bind, zone=ZONE, signed=signed, notify=notified)
    addresses = (own_address(), own_address())
    serve_at(primary, *addresses)
    follower = start(secondary, primary, port=port)
    start.stack.enter_context(at_port_53(primary, addresses[0]))
    start.stack.enter_context(at_port_53(follower, addresses[1]))
    until(lambda: follower.records("ns2", "A"), "the secondary has the zone", log=follower.log_file)
    return Zone(primary, follower, addresses)
