"""What can be read of a handshake as it passes by in clear text: alerts, and the key exchange's group.

OpenSSL's bindings do not tell the size of a server's own DH prime, and an alert is clearer as its number than
as the text of an error queue. Up to the first encrypted record everything can be seen (RFC 5246 §7, RFC 8446
§4).
"""

from __future__ import annotations

from typing import NamedTuple

_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _SERVER_KEY_EXCHANGE = 2, 12
_KEY_SHARE = 51
_NAMED_CURVE = 3

# https://www.iana.org/assignments/tls-parameters, "TLS Supported Groups"
_GROUPS = {
    22: ("secp256k1", 256), 23: ("secp256r1", 256), 24: ("secp384r1", 384), 25: ("secp521r1", 521),
    26: ("brainpoolP256r1", 256), 27: ("brainpoolP384r1", 384), 28: ("brainpoolP512r1", 512),
    29: ("x25519", 253), 30: ("x448", 448), 31: ("brainpoolP256r1tls13", 256),
    32: ("brainpoolP384r1tls13", 384), 33: ("brainpoolP512r1tls13", 512),
    256: ("ffdhe2048", 2048), 257: ("ffdhe3072", 3072), 258: ("ffdhe4096", 4096), 259: ("ffdhe6144", 6144),
    260: ("ffdhe8192", 8192), 4587: ("SecP256r1MLKEM768", 256), 4588: ("X25519MLKEM768", 253),
    4589: ("SecP384r1MLKEM1024", 384),
}  # fmt: skip


class Group(NamedTuple):
    """Group of the key exchange and its size in bits."""

    name: str = ""
    bits: int = 0


class Wire:
    """Fed with the server's bytes; tells what they said."""

    def __init__(self) -> None:
        self._records = b""
        self._messages = b""
        self._readable = True
        self._hello_seen = False
        self._key_share = Group()
        self._key_exchange = b""
        self.alert: int | None = None
        """Description of the last alert in clear text (RFC 8446 §6)."""
        self.is_tls = True
        """False once the first byte was none of TLS."""
        self.first = b""
        """How the server's first bytes began."""

    def feed(self, data: bytes) -> None:
        if not self.first:
            self.first = data[:80]
            self.is_tls = data[:1] in (b"\x14", b"\x15", b"\x16", b"\x17")
        if self.is_tls:
            self._records += data
            self._read_records()

    def _read_records(self) -> None:
        while self._readable and len(self._records) >= 5:
            end = 5 + int.from_bytes(self._records[3:5], "big")
            if len(self._records) < end:
                return
            kind, body = self._records[0], self._records[5:end]
            self._records = self._records[end:]
            self._record(kind, body)

    def group(self, cipher: str) -> Group:
        """The group, given the name of the *cipher* that was agreed on."""
        if self._key_exchange and cipher.startswith("ECDHE"):
            if self._key_exchange[0] == _NAMED_CURVE:
                return _named(int.from_bytes(self._key_exchange[1:3], "big"))
        elif self._key_exchange and cipher.startswith(("DHE", "EDH")):
            length = int.from_bytes(self._key_exchange[:2], "big")
            return Group("DH", int.from_bytes(self._key_exchange[2 : 2 + length], "big").bit_length())
        return self._key_share

    def _record(self, kind: int, body: bytes) -> None:
        if kind == _ALERT and len(body) == 2:
            self.alert = body[1]
        elif kind == _HANDSHAKE:
            self._messages += body
            while len(self._messages) >= 4:
                end = 4 + int.from_bytes(self._messages[1:4], "big")
                if len(self._messages) < end:
                    return
                self._message(self._messages[0], self._messages[4:end])
                self._messages = self._messages[end:]
        elif not (kind == 20 and not self._hello_seen):
            # After ChangeCipherSpec (or TLS 1.3's first encrypted record) nothing can be read. A 1.3 server
            # sends it after HelloRetryRequest too, which `_server_hello` leaves unseen.
            self._readable = False

    def _message(self, kind: int, body: bytes) -> None:
        if kind == _SERVER_HELLO:
            self._server_hello(body)
        elif kind == _SERVER_KEY_EXCHANGE:
            self._key_exchange = body

    def _server_hello(self, body: bytes) -> None:
        # Before the extensions: version, random, session id, cipher suite, compression (RFC 5246 §7.4.1.3).
        at = 35 + body[34] + 3 if len(body) > 34 else len(body)
        extensions = body[at + 2 :]
        while len(extensions) >= 4:
            name, length = (int.from_bytes(extensions[i : i + 2], "big") for i in (0, 2))
            value, extensions = extensions[4 : 4 + length], extensions[4 + length :]
            if name == _KEY_SHARE:
                self._key_share = _named(int.from_bytes(value[:2], "big"))
                # HelloRetryRequest names the group alone (RFC 8446 §4.2.8); the real hello brings a key.
                self._hello_seen = len(value) > 2
                return
        self._hello_seen = True


def _named(number: int) -> Group:
    name, bits = _GROUPS.get(number, (f"group {number}", 0))
    return Group(name, bits)
