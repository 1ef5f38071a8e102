"""PEM text (RFC 7468): what is in it, strictly, and how certctl writes it.

Only the standard library, and little of it: `status` and `fingerprints` come through here.
"""

import binascii
from collections.abc import Iterator
from typing import NamedTuple

from certctl.errors import CertctlError

CERTIFICATE = "CERTIFICATE"
CERTIFICATE_LABELS = (CERTIFICATE, "X509 CERTIFICATE")  # the second is OpenSSL's old word for the first
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"


class Block(NamedTuple):
    """One encapsulated block."""

    label: str
    der: bytes
    text: bytes
    """The block as it stands, BEGIN to END with its headers (RFC 1421), line feeds as line ends."""
    line: int
    """Where its BEGIN is, from 1."""


class Outside(NamedTuple):
    """A line that is in no block."""

    line: int
    text: bytes


def blocks(data: bytes) -> list[Block]:
    """Return all blocks in *data*, in order; text around them is passed over, empty input gives [].

    CRLF and CR line ends, a byte order mark, UTF-16, and blanks at the ends of
    lines are accepted. A block that is cut off or does not decode raises
    CertctlError, which names the block and the line.
    """
    return [part for part in scan(data) if isinstance(part, Block)]


def certificates(data: bytes) -> list[bytes]:
    """Return the certificates in *data* as normalised PEM, in order; other blocks are passed over."""
    return [encode(CERTIFICATE, block.der) for block in blocks(data) if block.label in CERTIFICATE_LABELS]


def encode(label: str, der: bytes) -> bytes:
    """Return *der* as RFC 7468 PEM: 64 characters a line, a line feed after each."""
    text = binascii.b2a_base64(der, newline=False)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    name = label.encode("ascii")
    return b"\n".join([_BEGIN + name + _DASHES, *lines, _END + name + _DASHES, b""])


def quote(data: bytes) -> str:
    """Say in one line how *data* begins, for the message that refuses it; never a key."""
    if not data.strip():
        return "nothing at all" if not data else "only white space"
    if b"PRIVATE KEY" in data:
        return f"{len(data)} bytes that hold a private key"
    text = " ".join(data[:400].decode("utf-8", "replace").split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return f"{len(data)} bytes that begin with {text[:60]!r}"


def scan(data: bytes) -> Iterator[Block | Outside]:
    """Yield the blocks of *data* and the lines that are in none, in order; errors as those of `blocks`."""
    lines = enumerate(plain(data).split(b"\n"), 1)
    for number, raw in lines:
        line = raw.strip()
        if line.startswith(_BEGIN):
            yield _block(number, line, lines)
        elif line.startswith(_END):
            raise _refused(_label(line, _END, number), number, "an END without a BEGIN before it")
        else:
            yield Outside(number, raw)


def plain(data: bytes) -> bytes:
    """Take away what editors and shells of other systems put in."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _block(start: int, begin: bytes, lines: Iterator[tuple[int, bytes]]) -> Block:
    label = _label(begin, _BEGIN, start)
    inside: list[tuple[int, bytes]] = []
    for number, raw in lines:
        line = raw.strip()
        if line.startswith(_BEGIN):
            raise _refused(label, start, f"cut off: another block begins in line {number}")
        if line.startswith(_END):
            if _label(line, _END, number) != label:
                raise _refused(label, start, f"its END in line {number} has another label")
            text = b"\n".join([begin, *(part for _, part in inside), line, b""])
            return Block(label, _decode(label, start, inside), text, start)
        inside.append((number, line))
    raise _refused(label, start, "cut off: it has no END")


def _label(line: bytes, mark: bytes, number: int) -> str:
    name = line[len(mark) :].removesuffix(_DASHES)
    if _DASHES in name:
        raise CertctlError(
            f"line {number} of the PEM text holds two marks",
            "a line feed is missing between two files that were joined: put one before the second -----",
        )
    if not line.endswith(_DASHES) or not name.isascii() or not name.decode("ascii").isprintable():
        raise CertctlError(f"line {number} of the PEM text is not a whole mark: {quote(line)}")
    return name.decode("ascii").strip()


def _decode(label: str, start: int, inside: list[tuple[int, bytes]]) -> bytes:
    """Decode the lines of a block, its headers left out."""
    if inside and b":" in inside[0][1]:
        end = next((at for at, (_, line) in enumerate(inside) if not line), len(inside))
        inside = inside[end:]
    for number, line in inside:
        # a2b_base64 has no strict mode before Python 3.11: it would drop what it does not know.
        strange = line.translate(None, _BASE64 + b"= \t")
        if strange:
            raise _refused(label, number, f"{chr(strange[0])!a} is no base64 character")
    text = b"".join(line for _, line in inside).translate(None, b" \t")
    digits = text.rstrip(b"=")
    if not digits:
        raise _refused(label, start, "it holds nothing")
    if b"=" in digits or len(text) % 4 or len(text) - len(digits) > 2:
        raise _refused(label, inside[-1][0], "the base64 text is cut off or has something in its middle")
    return binascii.a2b_base64(text)


def _refused(label: str, number: int, why: str) -> CertctlError:
    return CertctlError(f"PEM block {label!r}, line {number}: {why}")
