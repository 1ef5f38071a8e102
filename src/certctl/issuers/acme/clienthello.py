"""What a TLS client offers, read from its first message: OpenSSL tells it only after the handshake."""

from __future__ import annotations

from typing import NamedTuple

LARGEST = 1 << 15
"""Bytes: a ClientHello with post-quantum key shares has two thousand."""
_HANDSHAKE, _CLIENT_HELLO, _NAME, _ALPN = 22, 1, 0, 16


class Offer(NamedTuple):
    """What a ClientHello says; both are empty where it says nothing."""

    name: str
    """SNI, in lower case."""
    protocols: tuple[bytes, ...]
    """ALPN."""


def offered(data: bytes) -> Offer | None:
    """Read the ClientHello at the beginning of *data* (RFC 8446 §4.1.2).

    None while more bytes are needed. Raises ValueError for what is none, or has more than `LARGEST` bytes.
    """
    message, whole = _message(data)
    if not whole:
        if len(data) > LARGEST:
            raise ValueError("the ClientHello has no end")
        return None
    rest = _Bytes(message)
    rest.take(2 + 32)
    for size in (1, 2, 1):  # session, cipher suites, compression methods
        rest.vector(size)
    extensions = _Bytes(rest.vector(2) if rest.left else b"")
    name, protocols = "", []
    while extensions.left:
        kind = extensions.number(2)
        body = _Bytes(extensions.vector(2))
        if kind == _NAME:
            names = _Bytes(body.vector(2))
            names.take(1)  # the only type that there is
            name = names.vector(2).decode("ascii", "replace").lower()
        elif kind == _ALPN:
            names = _Bytes(body.vector(2))
            while names.left:
                protocols.append(names.vector(1))
    return Offer(name, tuple(protocols))


def _message(data: bytes) -> tuple[bytes, bool]:
    """Return the body of the first handshake message, out of its records, and whether it is all there."""
    records, payload = _Bytes(data), b""
    while records.left >= 5:
        if records.number(1) != _HANDSHAKE:
            raise ValueError("it does not begin with a handshake")
        records.take(2)
        size = records.number(2)
        payload += records.take(min(size, records.left))
    if payload and payload[0] != _CLIENT_HELLO:
        raise ValueError("it does not begin with a ClientHello")
    if len(payload) < 4:
        return b"", False
    size = int.from_bytes(payload[1:4], "big")
    if size > LARGEST:
        raise ValueError("the ClientHello is too large")
    return payload[4 : 4 + size], len(payload) >= 4 + size


class _Bytes:
    """Bytes that are taken from the left; ValueError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError("the ClientHello is cut short")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return what follows its own length, a number of *size* bytes."""
        return self.take(self.number(size))
