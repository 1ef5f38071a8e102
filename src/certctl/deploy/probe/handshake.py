"""One TLS handshake over a `Link`: nothing is verified, everything is looked at.

Why pyOpenSSL and not the `ssl` module: `ssl` cannot restrict the signature algorithms of a hello before
Python 3.15, which is the only way to ask a TLS 1.3 server for its RSA and for its ECDSA certificate, and it
has no public call for the unverified chain before 3.13. pyOpenSSL gives the chain by a public call and comes
with `acme`. It has no public call for signature algorithms either, but the binding that it stands on has;
where that is missing, the handshake is held at TLS 1.2, whose cipher suites name the algorithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from certctl.deploy.probe.link import Failed, Link
from certctl.deploy.probe.wire import Group, Wire

if TYPE_CHECKING:
    from OpenSSL import SSL

FAMILIES = ("rsa", "ecdsa", "ed25519")

_SIGNATURES = {
    "rsa": "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512",
    "ecdsa": "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512",
    "ed25519": "ed25519",
}
# TLS 1.2 counts Ed25519 as ECDSA (RFC 8422 §5.1).
_CIPHERS = {
    "": "ALL:!aNULL:!eNULL",
    "rsa": "aRSA:!eNULL",
    "ecdsa": "aECDSA:!eNULL",
    "ed25519": "aECDSA:!eNULL",
}
# A server's keys and primes that are too small shall be seen, not refused.
_LAX = ":@SECLEVEL=0"
_OP_LEGACY_SERVER_CONNECT = 0x4  # ssl(7) of OpenSSL; pyOpenSSL has no name for it

# RFC 8446 §6.2
_ALERTS = {
    40: "handshake_failure: it has no certificate, cipher or signature in common with what was offered",
    70: "protocol_version: it speaks none of the protocol versions that were offered",
    71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
    109: "missing_extension", 112: "unrecognized_name: it serves nothing under this name",
    116: "certificate_required", 120: "no_application_protocol",
}  # fmt: skip


class Handshake(NamedTuple):
    """What was agreed on, and the connection that it was agreed on."""

    protocol: str
    cipher: str
    group: Group
    chain: list[bytes]
    """DER, as sent."""
    note: str
    session: Session


class Session:
    """An established TLS session over a `Link`."""

    def __init__(self, tls: SSL.Connection, link: Link, wire: Wire) -> None:
        self._tls = tls
        self._link = link
        self._wire = wire

    def handshake(self) -> None:
        """Shake hands. Raises Failed, or OpenSSL's own Error."""
        from OpenSSL import SSL

        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                if not self._fill():
                    raise _hung_up() from None
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        self._tls.send(data)
        self._flush()

    def receive(self) -> bytes:
        """Return some of what the server says; none at its end."""
        from OpenSSL import SSL

        while True:
            try:
                return self._tls.recv(4096)
            except SSL.WantReadError:
                if not self._fill():
                    return b""
            except (SSL.ZeroReturnError, SSL.SysCallError, SSL.Error):
                return b""

    def close(self) -> None:
        """Send close_notify; the link stays open."""
        self._tls.shutdown()
        self._flush()

    def _fill(self) -> bool:
        data = self._link.receive()
        self._wire.feed(data)
        if data:
            self._tls.bio_write(data)
        return bool(data)

    def _flush(self) -> None:
        from OpenSSL import SSL

        try:
            while True:
                self._link.send(self._tls.bio_read(65536))
        except SSL.WantReadError:  # nothing more to send
            return


def shake_hands(link: Link, sni: str, offered: str, alpn: str = "") -> Handshake:
    """Shake hands, offering the one family *offered* (empty: all). Raises Failed."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from OpenSSL import SSL

    context, note = _context(offered, alpn)
    tls = SSL.Connection(context, None)
    tls.set_connect_state()
    if sni:
        tls.set_tlsext_host_name(_a_label(sni))
    wire = Wire()
    session = Session(tls, link, wire)
    link.waiting_for = "the end of the TLS handshake"
    try:
        session.handshake()
    except SSL.Error as error:
        raise _explain(error, wire) from error
    except Failed as failed:
        # However a server hangs up in the handshake, by a reset or not, it is the handshake that failed.
        raise (_hung_up() if failed.failure.kind == "closed" else failed) from None
    cipher = tls.get_cipher_name() or ""
    served = tls.get_peer_cert_chain(as_cryptography=True) or []
    chain = [certificate.public_bytes(Encoding.DER) for certificate in served]
    return Handshake(tls.get_protocol_version_name(), cipher, wire.group(cipher), chain, note, session)


def _context(offered: str, alpn: str) -> tuple[SSL.Context, str]:
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    context.set_options(_OP_LEGACY_SERVER_CONNECT)
    context.set_cipher_list((_CIPHERS[offered] + _LAX).encode())
    if alpn:
        context.set_alpn_protos([alpn.encode()])
    note = ""
    if offered and not _restrict_signatures(context, _SIGNATURES[offered]):
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        note = "asked over TLS 1.2: this OpenSSL binding cannot offer one signature algorithm over TLS 1.3"
    return context, note


def _restrict_signatures(context: SSL.Context, names: str) -> bool:
    """Offer only these signature algorithms; False where the binding has no such call."""
    from OpenSSL import _util

    call = getattr(_util.lib, "SSL_CTX_set1_sigalgs_list", None)
    handle = getattr(context, "_context", None)
    return call is not None and handle is not None and call(handle, names.encode()) == 1


def _explain(error: Exception, wire: Wire) -> Failed:
    if not wire.is_tls:
        said = wire.first.partition(b"\r")[0].decode("utf-8", "backslashreplace")
        return Failed("not-tls", f"the server does not speak TLS from the start there, it says {said!r}")
    if wire.alert is not None:
        said = _ALERTS.get(wire.alert, f"alert {wire.alert}")
        return Failed("handshake", f"the server refuses the TLS handshake with {said}")
    details = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = ", ".join(entry[-1] for entry in details if entry[-1]) or str(error) or type(error).__name__
    return Failed("handshake", f"the TLS handshake fails: {reasons}")


def _hung_up() -> Failed:
    return Failed("handshake", "the server closed the connection in the middle of the TLS handshake")


def _a_label(name: str) -> bytes:
    if name.isascii():
        return name.encode()
    import idna

    return idna.encode(name, uts46=True)
