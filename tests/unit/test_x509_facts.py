"""What is read off certificates and keys agrees with OpenSSL."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certctl.errors import CertctlError
from certctl.store import keys
from certctl.x509 import ALGORITHMS
from certctl.x509.certificate import certificate_facts
from certctl.x509.keys import key_facts
from tests.unit.x509_make import NOW, Key, make, make_chain, private_pem


def openssl(*arguments: str, data: bytes) -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("digest", ["sha256", "sha1", "md5"])
def test_digests_are_those_of_openssl(digest: str) -> None:
    """Certificate and key fingerprints equal what OpenSSL computes from the same bytes."""
    leaf = make_chain().leaf
    facts = certificate_facts(leaf.pem)
    printed = openssl("x509", "-noout", "-fingerprint", f"-{digest}", data=leaf.pem)
    assert getattr(facts.certificate, digest) == printed.decode().strip().partition("=")[2]
    key_der = openssl(
        "pkey", "-pubin", "-outform", "DER", data=openssl("x509", "-noout", "-pubkey", data=leaf.pem)
    )
    hashed = openssl("dgst", f"-{digest}", "-c", data=key_der).decode().strip().rpartition(" ")[2]
    assert getattr(facts.key, digest) == hashed.upper()
    assert key_facts(leaf.key_pem).key == facts.key


def test_facts() -> None:
    """Names, times, serial and issuer come out in the forms that the contract has."""
    made = make("Mx.Example.Test", names=["Mx.Example.Test", "*.example.test", "192.0.2.25", "2001:db8:0::1"])
    facts = certificate_facts(made.pem)
    assert facts.names == ("mx.example.test", "*.example.test", "192.0.2.25", "2001:db8::1")
    assert (facts.not_before, facts.not_after) == (NOW - timedelta(days=1), NOW + timedelta(days=90))
    assert facts.serial == openssl("x509", "-noout", "-serial", data=made.pem).decode().strip()[7:]
    assert facts.issuer == "CN=Mx.Example.Test"
    assert facts.algorithm == "ecdsa-p256"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm: str) -> None:
    """Every configurable key is made, named by its word, and asks for a certificate that OpenSSL accepts."""
    key = keys.generate(algorithm)
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert key_facts(key).algorithm == algorithm
    csr = keys.make_csr(key, ["mx.example.test", "192.0.2.25", "2001:db8::1", "*.example.test"])
    assert key_facts(csr) == key_facts(key)
    openssl("req", "-verify", "-noout", data=csr)
    text = openssl("req", "-text", "-noout", data=csr).decode()
    assert "Subject: CN = mx.example.test" in text
    assert "DNS:mx.example.test, IP Address:192.0.2.25, IP Address:2001:DB8" in text
    assert "DNS:*.example.test" in text


@pytest.mark.parametrize("names", [["192.0.2.25"], ["a" * 40 + "." + "b" * 40 + ".example.test"]])
def test_csr_without_common_name(names: list[str]) -> None:
    """A long name or an address is no commonName; then subjectAltName is critical."""
    text = openssl("req", "-text", "-noout", data=keys.make_csr(keys.generate("ecdsa-p256"), names)).decode()
    assert "CN =" not in text
    assert "X509v3 Subject Alternative Name: critical" in text


def test_common_name_is_the_first_that_fits() -> None:
    """A name that is too long for the commonName leaves it to the next."""
    names = ["192.0.2.25", "a" * 40 + "." + "b" * 40 + ".example.test", "short.example.test"]
    text = openssl("req", "-text", "-noout", data=keys.make_csr(keys.generate("ecdsa-p256"), names)).decode()
    assert "Subject: CN = short.example.test" in text


@pytest.mark.parametrize(
    ("key", "word"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), "rsa-1024"),
        (ec.generate_private_key(ec.SECP521R1()), "ecdsa-secp521r1"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519"),
    ],
)
def test_other_keys_are_described(key: Key, word: str) -> None:
    """Keys that certctl does not make itself are still named."""
    assert key_facts(private_pem(key)).algorithm == word


def test_key_facts_of_every_form() -> None:
    """PKCS #8, traditional, public and request forms of a key have one fingerprint."""
    key = keys.generate("rsa-2048")
    forms = [
        key,
        openssl("rsa", "-traditional", data=key),
        openssl("pkey", "-pubout", data=key),
        openssl("rsa", "-RSAPublicKey_out", data=key),
        keys.make_csr(key, ["mx.example.test"]),
    ]
    assert {key_facts(form) for form in forms} == {key_facts(key)}


@pytest.mark.parametrize("form", [["pkcs8", "-topk8"], ["ec", "-aes128"]])
def test_encrypted_key(form: list[str]) -> None:
    """An encrypted key is named as such, with the way to decrypt it."""
    key = openssl(*form, "-passout", "pass:secret", data=keys.generate("ecdsa-p256"))
    with pytest.raises(CertctlError, match="encrypted") as raised:
        key_facts(key)
    assert raised.value.hint is not None
    assert "openssl pkey" in raised.value.hint
    with pytest.raises(CertctlError, match="encrypted"):
        keys.make_csr(key, ["mx.example.test"])


@pytest.mark.parametrize("data", [b"", b"<html>", make("ca.test").pem])
def test_no_key(data: bytes) -> None:
    """Without a key the message says what there was."""
    with pytest.raises(CertctlError, match="there is no key in"):
        key_facts(data)


def test_halves_that_do_not_belong_together() -> None:
    """A private key whose halves differ asks for nothing."""
    right = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        right.p, right.q, right.d - 2, right.dmp1 - 2, right.dmq1 - 2, right.iqmp, right.public_numbers
    )
    key = wrong.private_key(unsafe_skip_rsa_key_validation=True)
    with pytest.raises(CertctlError, match="do not belong together"):
        keys.make_csr(private_pem(key), ["mx.example.test"])


def test_generate_many_keeps_the_order() -> None:
    """Keys that are made in parallel come back in the order asked for."""
    algorithms = ["rsa-2048", "ecdsa-p256", "rsa-2048", "ed25519"]
    made = keys.generate_many(algorithms)
    assert [key_facts(key).algorithm for key in made] == algorithms
    assert len(set(made)) == 4


def test_unknown_algorithm() -> None:
    """An unknown word is refused with those that are known."""
    with pytest.raises(CertctlError, match="'rsa-1024' is no key algorithm"):
        keys.generate("rsa-1024")
