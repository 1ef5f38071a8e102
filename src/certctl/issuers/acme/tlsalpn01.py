"""tls-alpn-01 by a responder of one's own (RFC 8737): a certificate that carries the proof, on port 443."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from certctl.issuers.acme.listening import CONNECTION_TIMEOUT, Listeners, Place, Seen, hang_up
from certctl.issuers.acme.proof import Asked, Proof, Turns

PORT = 443
PROTOCOL = b"acme-tls/1"
_ACME_VALIDATION = "1.3.6.1.5.5.7.1.31"
_NO_APPLICATION_PROTOCOL, _UNRECOGNIZED_NAME = 120, 112
"""Alerts (RFC 7301 §3.2, RFC 6066 §3)."""


class TlsAlpn:
    """Answers TLS handshakes that ask for acme-tls/1, and no others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """*addresses*: "HOST:PORT"; none: port 443 of all addresses."""
        self._listener = _listeners.at(Place("tls-alpn-01", tuple(addresses), PORT))
        self._listener.start()

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[Asked]:
        shown = {server_name(proof): validation_pem(proof) for proof in proofs}
        with _turns.take(shown), self._listener.serve(shown) as asked:
            yield lambda proof, seconds: asked(server_name(proof), seconds)


def server_name(proof: Proof) -> str:
    """Return what the CA puts into SNI: the name; of an IP address its reverse name (RFC 8738 §6)."""
    return ipaddress.ip_address(proof.name).reverse_pointer if proof.is_ip else proof.name.lower()


def validation_pem(proof: Proof) -> str:
    """Return a new key with the certificate of RFC 8737 §3: self-signed, one name, the digest, critical."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "acme-tls/1 validation")])
    name = x509.IPAddress(ipaddress.ip_address(proof.name)) if proof.is_ip else x509.DNSName(proof.name)
    octets = b"\x04" + bytes([len(proof.digest)]) + proof.digest
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(_ACME_VALIDATION), octets), critical=True
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def answer(connection: socket.socket, served: Mapping[str, str], seen: Seen) -> None:
    """Do one handshake with the certificate of the name that is asked for; nothing is said after it.

    Whoever does not offer acme-tls/1 gets no certificate (RFC 8737 §3): it is no visitor of ours.
    """
    hello, offer = _hello(connection)
    if offer is None or PROTOCOL not in offer.protocols:
        connection.sendall(_alert(_NO_APPLICATION_PROTOCOL))
        return
    pem = served.get(offer.name)
    if pem is None:
        connection.sendall(_alert(_UNRECOGNIZED_NAME))
        return
    tls = SSL.Connection(_context(pem.encode()))
    tls.set_accept_state()
    tls.bio_write(hello)
    # Whoever breaks off in the middle has harmed nobody.
    with contextlib.suppress(SSL.Error):
        _shake_hands(connection, tls)
        seen(offer.name)
        tls.shutdown()
    _send(connection, tls)  # what is left to be said, mostly an alert
    hang_up(connection)


def _alert(kind: int) -> bytes:
    return bytes([21, 3, 3, 0, 2, 2, kind])


def _context(pem: bytes) -> SSL.Context:
    """OpenSSL's own object: that of Python reads keys from files only."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    context.use_privatekey(key)
    context.use_certificate(x509.load_pem_x509_certificate(pem))
    context.set_alpn_select_callback(lambda *_: PROTOCOL)
    return context


def _hello(connection: socket.socket) -> tuple[bytes, Offer | None]:
    """Return the bytes up to the end of the ClientHello, and what it offers; None where it is none."""
    data = b""
    until = time.monotonic() + CONNECTION_TIMEOUT
    try:
        while (offer := offered(data)) is None:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            piece = connection.recv(16384)
            if not piece:
                break
            data += piece
    except ValueError:
        return data, None
    return data, offer


def _shake_hands(connection: socket.socket, tls: SSL.Connection) -> None:
    until = time.monotonic() + CONNECTION_TIMEOUT
    while True:
        try:
            return tls.do_handshake()
        except SSL.WantReadError:
            _send(connection, tls)
            connection.settimeout(max(until - time.monotonic(), 0.001))
            piece = connection.recv(16384)
            if not piece:
                raise ConnectionResetError from None
            tls.bio_write(piece)


def _send(connection: socket.socket, tls: SSL.Connection) -> None:
    """Send what *tls* has to say."""
    with contextlib.suppress(SSL.WantReadError):
        while True:
            connection.sendall(tls.bio_read(16384))


_turns = Turns()
_listeners = Listeners(answer)


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
