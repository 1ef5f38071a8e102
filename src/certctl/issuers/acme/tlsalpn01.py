"""tls-alpn-01 by a responder of one's own (RFC 8737): a certificate that carries the proof, on port 443."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from certctl.issuers.acme.clienthello import NO_APPLICATION_PROTOCOL, protocols
from certctl.issuers.acme.listening import CONNECTION_TIMEOUT, Listeners, Place, Seen
from certctl.issuers.acme.proof import Asked, Proof
from certctl.issuers.acme.shared import Turns

PORT = 443
PROTOCOL = "acme-tls/1"
_ACME_VALIDATION = "1.3.6.1.5.5.7.1.31"


class TlsAlpn:
    """Answers TLS handshakes that ask for acme-tls/1, and no others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """*addresses*: "HOST:PORT"; none: port 443 of all addresses."""
        self._place = Place("tls-alpn-01", tuple(addresses), PORT)

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[Asked]:
        contexts = {server_name(proof): _context(validation_pem(proof)) for proof in proofs}
        with _turns.take(contexts), _listeners.at(self._place).serve(contexts) as asked:
            yield lambda proof, seconds: asked(server_name(proof), seconds)


def server_name(proof: Proof) -> str:
    """Return what the CA puts into SNI: the name; of an IP address its reverse name (RFC 8738 §6)."""
    return ipaddress.ip_address(proof.name).reverse_pointer if proof.is_ip else proof.name.lower()


def validation_pem(proof: Proof) -> bytes:
    """Return a new key with the certificate of RFC 8737 §3: self-signed, one name, the digest, critical."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _context(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    # ssl reads keys from files only: this one has no place in any directory.
    descriptor = os.memfd_create("acme-tls-1", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


def _answer(connection: socket.socket, served: Mapping[str, ssl.SSLContext], seen: Seen) -> None:
    """Do one handshake with the certificate of the name that is asked for; nothing is said after it.

    Whoever does not offer acme-tls/1 gets no certificate (RFC 8737 §3): it is no visitor of ours.
    """
    asked = ""

    def choose(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> int | None:
        nonlocal asked
        asked = (name or "").lower()
        context = served.get(asked)
        if context is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        tls.context = context
        return None

    hello = _hello(connection)
    if hello is None:
        connection.sendall(NO_APPLICATION_PROTOCOL)
        return
    first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    first.minimum_version = ssl.TLSVersion.TLSv1_2
    first.set_alpn_protocols([PROTOCOL])
    first.sni_callback = choose
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    tls = first.wrap_bio(incoming, outgoing, server_side=True)
    try:
        _step(connection, incoming, outgoing, tls.do_handshake)
        seen(asked)
        _step(connection, incoming, outgoing, tls.unwrap)
    finally:
        # What is left to be said, mostly an alert; whoever hung up hears nothing.
        connection.sendall(outgoing.read())


def _hello(connection: socket.socket) -> bytes | None:
    """Return the bytes up to the end of the ClientHello; None if it does not offer acme-tls/1."""
    data = b""
    until = time.monotonic() + CONNECTION_TIMEOUT
    try:
        while (offered := protocols(data)) is None:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            piece = connection.recv(16384)
            if not piece:
                return None
            data += piece
    except ValueError:
        return None
    connection.settimeout(CONNECTION_TIMEOUT)
    return data if PROTOCOL.encode() in offered else None


def _step(
    connection: socket.socket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, act: Callable[[], object]
) -> None:
    """Let *act* (of the TLS object between the two) have what it needs from the other side."""
    until = time.monotonic() + CONNECTION_TIMEOUT
    while True:
        try:
            act()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            connection.settimeout(max(until - time.monotonic(), 0.001))
            piece = connection.recv(16384)
            if piece:
                incoming.write(piece)
            else:
                incoming.write_eof()
        else:
            connection.sendall(outgoing.read())
            return


_turns = Turns()
_listeners: Listeners[ssl.SSLContext] = Listeners(_answer)
