"""PEM text is read strictly, and every fault is named with its block and line."""

from __future__ import annotations

import subprocess

import pytest

from certctl.errors import CertctlError
from certctl.x509 import pem
from tests.unit.x509_make import make, make_chain

CHAIN = make_chain()
LEAF, MIDDLE = CHAIN.pems


def test_blocks_in_order_with_labels_and_lines() -> None:
    """A bundle gives its key and certificates in order, each with the line where it begins."""
    bundle = CHAIN.leaf.key_pem + LEAF + MIDDLE
    found = pem.blocks(bundle)
    assert [block.label for block in found] == ["PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"]
    assert [bundle.split(b"\n")[block.line - 1][:10] for block in found] == [b"-----BEGIN"] * 3
    assert found[1].text == LEAF


def test_certificates_are_normalised() -> None:
    """Keys are passed over, odd line lengths and the old label come back as RFC 7468 has them."""
    base64 = b"".join(MIDDLE.splitlines()[1:-1])
    odd = b"-----BEGIN X509 CERTIFICATE-----\n" + base64 + b"\n-----END X509 CERTIFICATE-----"
    assert pem.certificates(CHAIN.leaf.key_pem + LEAF + odd) == [LEAF, MIDDLE]


@pytest.mark.parametrize(
    "data",
    [
        LEAF.replace(b"\n", b"\r\n"),
        LEAF.replace(b"\n", b"\r"),
        LEAF.replace(b"\n", b" \t\n"),
        b"\xef\xbb\xbf" + LEAF,
        LEAF.decode().encode("utf-16"),
        b"Bag Attributes\n    localKeyID: 01\nsubject=CN = mx\n\n" + LEAF + b"\n# the end\n",
        LEAF.rstrip(),
        b"\n".join(b"    " + line for line in LEAF.splitlines()),
    ],
    ids=["crlf", "cr", "blanks", "bom", "utf-16", "bag-attributes", "no-last-line-feed", "indented"],
)
def test_tolerated(data: bytes) -> None:
    """What other systems and tools put around and into PEM does no harm."""
    assert pem.certificates(data) == [LEAF]


def test_openssl_text_output() -> None:
    """The prose of `openssl x509 -text` is passed over."""
    text = subprocess.run(["openssl", "x509", "-text"], input=LEAF, capture_output=True, check=True).stdout
    assert b"Signature Algorithm" in text
    assert pem.certificates(text) == [LEAF]


def test_traditional_headers() -> None:
    """An RFC 1421 key keeps its headers in the text, and its body decodes."""
    command = ["openssl", "ec", "-aes128", "-passout", "pass:secret"]
    text = subprocess.run(command, input=CHAIN.leaf.key_pem, capture_output=True, check=True).stdout
    (block,) = pem.blocks(text)
    assert block.label == "EC PRIVATE KEY"
    assert b"Proc-Type: 4,ENCRYPTED" in block.text


LINES = LEAF.splitlines(keepends=True)
SECOND = MIDDLE.count(b"\n") + 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (MIDDLE + b"".join(LINES[:-1]), rf"'CERTIFICATE', line {SECOND}: cut off: it has no END"),
        (b"".join(LINES[:-1]) + MIDDLE, rf"line 1: cut off: another block begins in line {len(LINES)}"),
        (b"".join(LINES[1:]), rf"line {len(LINES) - 1}: an END without a BEGIN"),
        (b"".join([*LINES[:2], b"<html>\n", *LINES[2:]]), "line 3: '<' is no base64 character"),
        (b"".join([LINES[0], LINES[1][1:], *LINES[2:]]), "line .*: the base64 text is cut off"),
        (LINES[0] + LINES[-1], "line 1: it holds nothing"),
        (LEAF.replace(b"END CERT", b"END X509 CERT"), "its END in line .* has another label"),
        (LEAF.rstrip() + MIDDLE, "holds two marks"),
        (b"-----BEGIN CERTIFICATE\n", "line 1 of the PEM text is not a whole mark"),
        ("-----BEGIN CERTIFICÄTE-----\n".encode(), "line 1 of the PEM text is not a whole mark"),
    ],
)
def test_refused(data: bytes, said: str) -> None:
    """A block that is cut off or does not decode is named with its line."""
    with pytest.raises(CertctlError, match=said):
        pem.blocks(data)


def test_nothing_is_nothing() -> None:
    """Without blocks there is no error here: the caller knows what it wanted."""
    assert pem.blocks(b"") == []
    assert pem.certificates(b"<html></html>") == []


def test_quote() -> None:
    """A message shows how unexpected data begins on one line, and never a key."""
    assert pem.quote(b"") == "nothing at all"
    assert pem.quote(b" \n") == "only white space"
    assert pem.quote(b"<!DOCTYPE html>\n<title>\x1b[31m502") == (
        "31 bytes that begin with '<!DOCTYPE html> <title>\N{REPLACEMENT CHARACTER}[31m502'"
    )
    quoted = pem.quote(CHAIN.leaf.key_pem)
    assert quoted.endswith("that hold a private key")


def test_scan_gives_what_is_outside() -> None:
    """Lines around blocks come with their numbers."""
    parts = list(pem.scan(b"# one\n" + LEAF + b"two"))
    assert parts[0] == pem.Outside(1, b"# one")
    assert parts[-1] == pem.Outside(len(LINES) + 2, b"two")


def test_encode_round_trip() -> None:
    """What is encoded is byte for byte what OpenSSL writes."""
    made = make("round.test")
    assert pem.encode("CERTIFICATE", pem.blocks(made.pem)[0].der) == made.pem
