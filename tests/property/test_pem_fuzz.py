"""Whatever bytes come in, nothing but CertctlError comes out."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certctl.errors import CertctlError
from certctl.store import keys
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from certctl.x509.chain import check_chain, order_chain
from certctl.x509.formats import read_certificates
from certctl.x509.keys import LABELS, key_facts, request_facts
from tests.unit.x509_make import NOW, make_chain

CHAIN = make_chain()
RSA_KEY = keys.generate("rsa-2048")
KEYS = [keys.generate("ecdsa-p256"), RSA_KEY, keys.generate("ed25519")]
CSR = keys.make_csr(KEYS[0], ["mx.example.test", "192.0.2.25"])
PKCS7 = subprocess.run(
    ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", "DER"],
    input=b"".join(CHAIN.pems),
    capture_output=True,
    check=True,
).stdout
TEXTS = [*CHAIN.pems, CHAIN.root.pem, *KEYS, CSR]


def read_all(data: bytes) -> None:
    """Give *data* to every function that reads PEM."""
    readers: list[Callable[[], object]] = [
        lambda: pem.blocks(data),
        lambda: pem.certificates(data),
        lambda: pem.quote(data),
        lambda: certificate_facts(data),
        lambda: key_facts(data),
        lambda: order_chain([data, *CHAIN.pems], CHAIN.leaf.pin, now=NOW),
        lambda: check_chain([data, CHAIN.middle.pem], spki_sha256="AA", names=["a.test"], now=NOW),
        lambda: check_chain(CHAIN.pems, spki_sha256=CHAIN.leaf.pin, names=[], now=NOW, root=data),
        lambda: keys.make_csr(data, ["mx.example.test"]),
        lambda: read_certificates(data),
        lambda: request_facts(data),
    ]
    for reader in readers:
        with contextlib.suppress(CertctlError):
            reader()


@settings(deadline=None)
@given(st.binary(max_size=400))
@example(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
@example(b"-----BEGIN -----\n=\n-----END -----\n")
@example(b"\xff\xfe\x00")
def test_arbitrary_bytes(data: bytes) -> None:
    """Noise is refused."""
    read_all(data)


@settings(deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_cut_text(text: bytes, data: st.DataObject) -> None:
    """A file that was cut off anywhere, at either end, is refused and never half read."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    read_all(text[start:end])
    if end < len(text) - 1 or start > 0:
        with contextlib.suppress(CertctlError):
            assert pem.blocks(text[start:end]) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_damaged_der(text: bytes, data: st.DataObject) -> None:
    """Flipped bits inside well-formed PEM are refused, or change nothing that breaks a reader."""
    (block,) = pem.blocks(text)
    der = bytearray(block.der)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(der) - 1))
        der[at] ^= 1 << data.draw(st.integers(0, 7))
    read_all(pem.encode(block.label, bytes(der)))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*range(len(PKCS7)), *range(30)]), st.integers(0, 255))
def test_damaged_pkcs7(at: int, byte: int) -> None:
    """A changed byte anywhere in a PKCS #7, its lengths above all, is refused or harmless."""
    data = PKCS7[:at] + bytes([byte]) + PKCS7[at + 1 :]
    read_all(data)
    read_all(pem.encode("PKCS7", data))


@settings(deadline=None)
@given(st.sampled_from(TEXTS), st.sampled_from([*pem.CERTIFICATE_LABELS, *LABELS]), st.integers(0, 2000))
def test_wrong_label(text: bytes, label: str, end: int) -> None:
    """DER under a wrong label, whole or cut, is refused."""
    (block,) = pem.blocks(text)
    read_all(pem.encode(label, block.der[: end or 1]))


@settings(deadline=None)
@given(st.binary(min_size=1), st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "X"]), st.booleans())
def test_encode_round_trip(der: bytes, label: str, crlf: bool) -> None:
    """What is written is what is read."""
    text = pem.encode(label, der)
    (block,) = pem.blocks(text.replace(b"\n", b"\r\n") if crlf else text)
    assert (block.label, block.der, block.text) == (label, der, text)


@settings(deadline=None)
@given(st.integers(0, len(CHAIN.leaf.pem) * 8 - 1))
def test_a_changed_leaf_is_never_served(bit: int) -> None:
    """One bit changed in a leaf's PEM: it is refused, or still the same certificate."""
    data = bytearray(CHAIN.leaf.pem)
    data[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(CertctlError):
        read = pem.certificates(bytes(data))
        check_chain([*read, CHAIN.middle.pem], spki_sha256=CHAIN.leaf.pin, names=["mx.example.test"], now=NOW)
        assert read == [CHAIN.leaf.pem]


def test_read_all_reads() -> None:
    """The readers above do accept what is sound, so the tests test something."""
    assert certificate_facts(CHAIN.leaf.pem).algorithm == "ecdsa-p256"
    with pytest.raises(CertctlError):
        certificate_facts(RSA_KEY)
