"""A DNS server in a thread on loopback, which says what a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsig

Answering = Callable[[dns.message.Message, dns.message.Message], None]
"""Given the question, it changes the answer."""


class Server(NamedTuple):
    """One that runs."""

    at: str
    """HOST:PORT"""
    asked: list[dns.message.Message]


@contextlib.contextmanager
def dns_server(answering: Answering, key: dns.tsig.Key | None = None) -> Iterator[Server]:
    """Answer over UDP and TCP; with *key* only what it signs."""
    asked: list[dns.message.Message] = []
    over = threading.Event()

    def reply(wire: bytes) -> bytes:
        question = dns.message.from_wire(wire, keyring=key)
        asked.append(question)
        answer = dns.message.make_response(question)
        answering(question, answer)
        return answer.to_wire()

    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        tcp.settimeout(0.05)
        udp.settimeout(0.05)

        def by_udp() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    wire, asker = udp.recvfrom(65535)
                    udp.sendto(reply(wire), asker)

        def by_tcp() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = tcp.accept()
                    with connection, connection.makefile("rwb") as file:
                        connection.settimeout(5)
                        said = reply(file.read(struct.unpack("!H", file.read(2))[0]))
                        file.write(struct.pack("!H", len(said)) + said)

        threads = [threading.Thread(target=by_udp), threading.Thread(target=by_tcp)]
        for thread in threads:
            thread.start()
        try:
            yield Server(f"127.0.0.1:{port}", asked)
        finally:
            over.set()
            for thread in threads:
                thread.join()


def zone(*records: str, flags: int = dns.flags.AA) -> Answering:
    """Answers with those of *records* ("NAME TTL TYPE DATA") that are asked for."""

    def answering(question: dns.message.Message, answer: dns.message.Message) -> None:
        answer.flags |= flags
        for record in records:
            name, ttl, kind, data = record.split(" ", 3)
            (wanted,) = question.question
            if (wanted.name.to_text(), dns.rdatatype.to_text(wanted.rdtype)) == (name, kind):
                answer.answer.append(dns.rrset.from_text(name, int(ttl), "IN", kind, data))

    return answering


def refusing(code: dns.rcode.Rcode) -> Answering:
    """Answers with *code*."""
    return lambda _, answer: answer.set_rcode(code)
