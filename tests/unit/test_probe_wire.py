"""Reading a handshake that passes by, however it is cut into pieces."""

from __future__ import annotations

import pytest

from certctl.deploy.probe.wire import Group, Wire


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def server_hello(extensions: bytes) -> bytes:
    rest = b"\x13\x01\x00" + len(extensions).to_bytes(2, "big") + extensions
    return message(2, b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + rest)


def key_share(group: int, key: bytes) -> bytes:
    value = group.to_bytes(2, "big") + (len(key).to_bytes(2, "big") + key if key else b"")
    return b"\x00\x33" + len(value).to_bytes(2, "big") + value


CCS = record(20, b"\x01")
RETRY = record(22, server_hello(key_share(24, b""))) + CCS
TLS13 = (
    record(22, server_hello(b"\x00\x2b\x00\x02\x03\x04" + key_share(24, bytes(97))))
    + CCS
    + record(23, bytes(99))
)


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_group_of_tls13_after_a_retry(step: int) -> None:
    """The group is that of the last ServerHello, after a HelloRetryRequest, in pieces of any size."""
    wire, data = Wire(), RETRY + TLS13
    for start in range(0, len(data), step):
        wire.feed(data[start : start + step])
    assert wire.group("TLS_AES_128_GCM_SHA256") == Group("secp384r1", 384)
    assert wire.alert is None


def test_own_prime_of_a_server() -> None:
    """In TLS 1.2 the size of a server's own DH prime is read off its ServerKeyExchange."""
    prime = (1 << 1023 | 1).to_bytes(128, "big")
    exchange = message(12, len(prime).to_bytes(2, "big") + prime + b"\x00\x01\x02\x00\x01\x05")
    hello = server_hello(b"")
    wire = Wire()
    wire.feed(record(22, hello + exchange[:50]) + record(22, exchange[50:]) + CCS + record(22, b"\xff" * 40))
    assert wire.group("DHE-RSA-AES128-GCM-SHA256") == Group("DH", 1024)


def test_curve_of_tls12_and_none() -> None:
    """ECDHE names its curve; RSA key transport has none; a number that is not known is shown as it is."""
    for number, group in ((29, Group("x25519", 253)), (999, Group("group 999", 0))):
        wire = Wire()
        exchange = message(12, b"\x03" + number.to_bytes(2, "big") + b"\x00")
        wire.feed(record(22, server_hello(b"") + exchange))
        assert wire.group("ECDHE-RSA-AES128-GCM-SHA256") == group
    assert Wire().group("AES128-SHA") == Group()


def test_alert_and_clear_text() -> None:
    """An alert is kept by number, and a first byte that is none of TLS is noticed."""
    refused, clear = Wire(), Wire()
    refused.feed(record(21, b"\x02\x28"))
    clear.feed(b"220 mx ESMTP\r\n")
    assert (refused.alert, refused.is_tls) == (40, True)
    assert (clear.is_tls, clear.first) == (False, b"220 mx ESMTP\r\n")


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", record(22, message(2, bytes(34))), b"\x16" * 50]
)
def test_rubbish_is_no_trouble(data: bytes) -> None:
    """Messages that are cut short or senseless tell nothing and raise nothing."""
    wire = Wire()
    wire.feed(data)
    assert wire.group("TLS_AES_128_GCM_SHA256") == Group()
