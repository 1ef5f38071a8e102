"""DH parameters as PKCS #3 DER and PEM ("DH PARAMETERS"), read strictly and written canonically.

PKCS #3, section 9: DHParameter is a SEQUENCE of prime and base, both INTEGER, and
privateValueLength INTEGER OPTIONAL.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple

from certctl.errors import CertctlError

_LABEL = b"DH PARAMETERS"
_SEQUENCE, _INTEGER = 0x30, 0x02
_NUMBERS = ("prime", "generator", "private value length")


class DHParameters(NamedTuple):
    """The prime *p*, the generator *g*, and how many bits a private key should have, if that is said."""

    p: int
    g: int
    length: int | None = None


def encode(parameters: DHParameters) -> bytes:
    """Return *parameters* as a PEM file."""
    body = binascii.b2a_base64(encode_der(parameters), newline=False)
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return b"\n".join([b"-----BEGIN " + _LABEL + b"-----", *lines, b"-----END " + _LABEL + b"-----", b""])


def encode_der(parameters: DHParameters) -> bytes:
    """Return *parameters* as DER."""
    numbers = [number for number in parameters if number is not None]
    return _element(_SEQUENCE, b"".join(map(_integer, numbers)))


def decode(data: bytes, *, name: str = "dh parameters") -> DHParameters:
    """Return what the PEM file *data* holds; text around its one block is allowed, another block is not.

    CertctlError, in which *name* stands for the file, says what is wrong.
    """
    body = _body(data, name)
    try:
        der = binascii.a2b_base64(body)
    except binascii.Error:
        raise _error(name, "its base64 is broken") from None
    # a2b_base64 skips what it does not know; what encodes to something else was not base64.
    if binascii.b2a_base64(der, newline=False) != body:
        raise _error(name, "its base64 is broken")
    return decode_der(der, name=name)


def decode_der(der: bytes, *, name: str = "dh parameters") -> DHParameters:
    """Return what *der* holds; CertctlError for anything but the one right encoding."""
    content, rest = _read(der, _SEQUENCE, "sequence", name)
    if rest:
        raise _error(name, f"{len(rest)} bytes follow its asn.1 sequence")
    numbers: list[int] = []
    for what in _NUMBERS:
        if not content and len(numbers) == 2:
            break
        raw, content = _read(content, _INTEGER, what, name)
        numbers.append(_positive(raw, what, name))
    if content:
        raise _error(name, f"{len(content)} bytes follow its private value length")
    return DHParameters(*numbers)


def _body(data: bytes, name: str) -> bytes:
    """Return the base64 text of the one PEM block of *data*."""
    lines = [line.strip() for line in data.splitlines()]
    begins = [at for at, line in enumerate(lines) if line.startswith(b"-----BEGIN ")]
    if not begins:
        raise _error(name, "no line says -----BEGIN DH PARAMETERS-----")
    labels = [lines[at][11:].removesuffix(b"-----") for at in begins]
    for label in labels:
        if label == b"X9.42 DH PARAMETERS":
            raise _error(name, "the prime is not a safe prime (it is of the kind that -dsaparam makes)")
        if label != _LABEL:
            found = label[:40].decode("ascii", "replace")
            raise _error(name, f"it holds {found!r} instead of 'DH PARAMETERS'")
    if len(begins) > 1:
        raise _error(name, f"it holds {len(begins)} blocks of dh parameters, one is right")
    inside = lines[begins[0] + 1 :]
    try:
        end = inside.index(b"-----END " + _LABEL + b"-----")
    except ValueError:
        raise _error(name, "no line says -----END DH PARAMETERS-----: is it cut short?") from None
    return b"".join(inside[:end])


def _read(data: bytes, tag: int, what: str, name: str) -> tuple[bytes, bytes]:
    """Split *data* into the content of its first element, which must have *tag*, and the rest."""
    if not data:
        raise _error(name, f"its {what} is missing")
    if data[0] != tag:
        raise _error(name, f"its {what} has asn.1 tag 0x{data[0]:02x} instead of 0x{tag:02x}")
    head, size = 2, data[1] if len(data) > 1 else -1
    if size > 0x84:
        raise _error(name, f"its {what} has an asn.1 length that makes no sense")
    if size >= 0x80:
        head += size - 0x80
        size = int.from_bytes(data[2:head], "big") if len(data) >= head else -1
        if size >= 0 and data[1:head] != _length(size):
            raise _error(name, f"its {what} has an asn.1 length that is not encoded as der wants it")
    if size < 0 or len(data) < head + size:
        raise _error(name, f"its {what} is cut short")
    return data[head : head + size], data[head + size :]


def _positive(raw: bytes, what: str, name: str) -> int:
    if not raw:
        raise _error(name, f"its {what} is an empty integer")
    if raw[0] >= 0x80:
        raise _error(name, f"its {what} is negative")
    value = int.from_bytes(raw, "big")
    if value == 0:
        raise _error(name, f"its {what} is zero")
    if len(raw) > 1 and raw[0] == 0 and raw[1] < 0x80:
        raise _error(name, f"its {what} has needless leading zeros")
    return value


def _integer(value: int) -> bytes:
    return _element(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _element(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _length(len(content)) + content


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def _error(name: str, problem: str) -> CertctlError:
    return CertctlError(f"{name}: {problem}", transient=False)
