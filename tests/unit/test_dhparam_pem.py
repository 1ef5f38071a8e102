"""DH parameters survive being written and read; what is not quite right is refused, by name."""

from __future__ import annotations

import binascii
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.dhparam.pem import DHParameters, decode, decode_der, encode, encode_der
from certctl.errors import CertctlError
from tests.unit.dhparam_samples import DSAPARAM, SAFE, pem

GOOD = pem(SAFE, 2, 225)
positive = st.integers(min_value=1, max_value=1 << 2100)
parameters = st.builds(DHParameters, positive, positive, st.none() | positive)


@given(parameters)
def test_round_trip(values: DHParameters) -> None:
    """Whatever is encoded is decoded to the same numbers, as PEM and as DER."""
    assert decode(encode(values)) == values
    assert decode_der(encode_der(values)) == values


@given(st.binary())
def test_garbage_is_an_error_of_ours(data: bytes) -> None:
    """Arbitrary bytes are refused with a CertctlError, never a traceback of another kind."""
    for read in (decode, decode_der):
        with pytest.raises(CertctlError):
            read(data)


@given(st.binary(max_size=80))
def test_garbage_inside_a_block_is_an_error_of_ours(data: bytes) -> None:
    """Arbitrary bytes, and arbitrary DER, between the right lines are refused with a CertctlError."""
    for body in (data, binascii.b2a_base64(data)):
        block = b"-----BEGIN DH PARAMETERS-----\n" + body + b"\n-----END DH PARAMETERS-----\n"
        with pytest.raises(CertctlError):
            decode(block)


@given(st.data())
def test_damage_never_passes_unnoticed(data: st.DataObject) -> None:
    """DER with one byte changed is refused, or is the right encoding of other numbers."""
    der = bytearray(encode_der(DHParameters(SAFE, 2, 225)))
    der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        values = decode_der(bytes(der))
    except CertctlError:
        return
    assert encode_der(values) == bytes(der)


@given(st.integers(0, len(GOOD) - 1))
def test_a_file_that_was_cut_short_is_refused(size: int) -> None:
    """No beginning of a file is taken for a file, the one that only lacks the last newline excepted."""
    if size == len(GOOD) - 1:
        assert decode(GOOD[:size]) == decode(GOOD)
    else:
        with pytest.raises(CertctlError):
            decode(GOOD[:size])


def test_openssl_reads_what_we_write(require_program: Callable[[str], str]) -> None:
    """OpenSSL prints the numbers that were encoded, and writes the same bytes."""
    command = [require_program("openssl"), "dhparam"]
    text = subprocess.run([*command, "-text", "-noout"], input=GOOD, capture_output=True, check=True).stdout
    assert b"(512 bit)" in text
    assert b"2 (0x2)" in text
    assert b"225" in text
    assert subprocess.run(command, input=GOOD, capture_output=True, check=True).stdout == GOOD


@pytest.mark.parametrize("name", ["openssl", "text", "crlf", "comment"])
def test_other_ways_to_write_a_file(name: str, require_program: Callable[[str], str]) -> None:
    """Files of openssl's, with text before the block, with other line ends or a comment are read."""
    openssl = require_program("openssl")
    written = {
        "openssl": lambda: (
            subprocess.run([openssl, "dhparam"], input=GOOD, capture_output=True, check=True).stdout
        ),
        "text": lambda: (
            subprocess.run([openssl, "dhparam", "-text"], input=GOOD, capture_output=True, check=True).stdout
        ),
        "crlf": lambda: GOOD.replace(b"\n", b"\r\n"),
        "comment": lambda: "# größer als nötig\n\n".encode("latin-1") + GOOD + b"\n# the end\n",
    }
    assert decode(written[name]()) == DHParameters(SAFE, 2, 225)


def _block(der: bytes) -> bytes:
    body = binascii.b2a_base64(der)
    return b"-----BEGIN DH PARAMETERS-----\n" + body + b"-----END DH PARAMETERS-----\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no line says -----BEGIN DH PARAMETERS-----"),
        (GOOD.replace(b"DH PARAMETERS", b"CERTIFICATE"), "it holds 'CERTIFICATE' instead of 'DH PARAMETERS'"),
        (DSAPARAM, "the prime is not a safe prime (it is of the kind that -dsaparam makes)"),
        (GOOD + GOOD, "it holds 2 blocks of dh parameters, one is right"),
        (GOOD[:60], "no line says -----END DH PARAMETERS-----: is it cut short?"),
        (GOOD.replace(b"\nM", b"\n!M", 1), "its base64 is broken"),
        (GOOD.replace(b"\nM", b"\n", 1), "its base64 is broken"),
        (_block(b""), "its sequence is missing"),
        (_block(b"\x04\x00"), "its sequence has asn.1 tag 0x04 instead of 0x30"),
        (_block(b"\x30\x80"), "its sequence has an asn.1 length that is not encoded as der wants it"),
        (_block(b"\x30\x81\x03\x02\x01\x05"), "its sequence has an asn.1 length that is not encoded as"),
        (_block(b"\x30\x85\0\0\0\0\0"), "its sequence has an asn.1 length that makes no sense"),
        (_block(b"\x30\x06\x02\x01\x17"), "its sequence is cut short"),
        (_block(b"\x30\x00"), "its prime is missing"),
        (_block(b"\x30\x03\x02\x01\x17"), "its generator is missing"),
        (_block(b"\x30\x06\x02\x01\x17\x02\x01\x02\0"), "1 bytes follow its asn.1 sequence"),
        (_block(b"\x30\x06\x02\x01\x97\x02\x01\x02"), "its prime is negative"),
        (_block(b"\x30\x05\x02\x01\x17\x02\x00"), "its generator is an empty integer"),
        (_block(b"\x30\x06\x02\x01\x17\x02\x01\x00"), "its generator is zero"),
        (_block(b"\x30\x07\x02\x02\0\x17\x02\x01\x02"), "its prime has needless leading zeros"),
        (_block(b"\x30\x08\x02\x01\x17\x02\x01\x02\x05\0"), "its private value length has asn.1 tag 0x05"),
        (
            _block(b"\x30\x0c" + b"\x02\x01\x17" + b"\x02\x01\x02" * 3),
            "3 bytes follow its private value length",
        ),
    ],
)
def test_the_error_names_the_fault_and_the_file(data: bytes, problem: str) -> None:
    """Each kind of damage has its own message, which begins with the file's name and is not transient."""
    with pytest.raises(CertctlError) as caught:
        decode(data, name="/etc/postfix/dh.pem")
    assert caught.value.message.startswith(f"/etc/postfix/dh.pem: {problem}")
    assert not caught.value.transient
