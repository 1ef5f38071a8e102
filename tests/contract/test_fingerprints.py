"""Fingerprints: every form, slot and digest, of what is kept and of any PEM file, as openssl sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.contract import openssl
from tests.contract.home import Home, write

CONFIG = """
[certificate.mx1]
names = ["mx1.example", "*.wild.example", "192.0.2.25"]
issuer = "private-ca"
keys = ["ecdsa-p256", "rsa-2048"]
[certificate.mx2]
names = ["mx2.example"]
nexthops = ["example.org", "[mx2.example]:587"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with all three slots filled."""
    path = tmp_path_factory.mktemp("fingerprints") / "home"
    path.mkdir()
    home = Home(path)
    home.config(CONFIG)
    home("run")
    home("rotate", "mx1")
    return home


def leaves(home: Home, name: str = "mx1") -> list[str]:
    """The certificates that are served, the first algorithm first."""
    labels, blocks = openssl.read(home / f"state/live/{name}/bundle.pem")
    return [blocks[at + 1] for at, label in enumerate(labels) if label == "KEY"]


def listed(home: Home, *args: str) -> list[dict[str, Any]]:
    found = home.json("fingerprints", *args)["fingerprints"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("digest", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("of", ["key", "certificate"])
def test_digests(made: Home, digest: str, of: str) -> None:
    """Each digest of the key and of the certificate is what openssl computes."""
    data = openssl.certificate_spki if of == "key" else openssl.der
    expected = [openssl.colons(data(leaf), digest) for leaf in leaves(made)]
    found = listed(made, "mx1", "--slot", "current", "--of", of, "--digest", digest)
    assert [entry["fingerprint"] for entry in found] == expected
    assert {(entry["digest"], entry["of"], entry["slot"]) for entry in found} == {(digest, of, "current")}
    text = made("fingerprints", "mx1", "--slot", "current", "--of", of, "--digest", digest).out
    for fingerprint in expected:
        assert fingerprint in text
    if of == "certificate":
        theirs = openssl.openssl(
            "x509", "-noout", "-fingerprint", f"-{digest}", data=leaves(made)[0].encode()
        )
        assert theirs.decode().strip().partition("=")[2] == expected[0]


def test_slots(made: Home) -> None:
    """Each slot is what status shows; the default is what is to be pinned: current and next."""
    entry = made.certificate()
    for slot in ("current", "next", "previous"):
        expected = [key["key_sha256"] for key in entry[slot]["keys"]]
        assert [found["fingerprint"] for found in listed(made, "mx1", "--slot", slot)] == expected
    every = [found["slot"] for found in listed(made, "mx1", "--slot", "all")]
    assert every == ["current"] * 2 + ["next"] * 2 + ["previous"] * 2
    assert {"current", "next"} <= {found["slot"] for found in listed(made, "mx1")}
    assert listed(made, "mx2", "--slot", "previous") == []
    made("fingerprints", "mx2", "--slot", "previous")


def test_names(made: Home) -> None:
    """Without a name all certificates are shown, with names only those."""
    assert {found["subject"] for found in listed(made)} == {"mx1", "mx2"}
    assert {found["subject"] for found in listed(made, "mx2")} == {"mx2"}


def test_policy(made: Home) -> None:
    """policy prints one line for each next-hop, with a match for each pin, as Postfix wants it."""
    current = made.pins("current")
    pins = " ".join(f"match={pin}" for pin in [*current, *made.pins("next")])
    lines = made("fingerprints", "mx1", "--format", "policy", "--slot", "all").out.splitlines()
    keys = [line.split(" ", 1)[0] for line in lines]
    assert "[mx1.example]" in keys
    assert not any("*" in key for key in keys)
    for line in lines:
        assert line.split(" ", 1)[1].startswith(f"fingerprint {pins}")
        assert line.isascii()
    both = made("fingerprints", "mx1", "--format", "policy", "--slot", "current").out.splitlines()[0]
    assert both == "[mx1.example] fingerprint " + " ".join(f"match={pin}" for pin in current)


def test_nexthop(made: Home) -> None:
    """--nexthop is the key of the line, verbatim and as often as it is given; else those of the table."""
    out = made("fingerprints", "mx1", "--format", "policy", "--nexthop", "[mail.example]:25").out
    (line,) = out.splitlines()
    assert line.startswith("[mail.example]:25 fingerprint match=")
    hops = ["--nexthop", "a.example", "--nexthop", "[b.example]"]
    two = made("fingerprints", "mx1", "--format", "policy", *hops).out
    assert [line.split()[0] for line in two.splitlines()] == ["a.example", "[b.example]"]
    own = made("fingerprints", "mx2", "--format", "policy").out
    assert [line.split()[0] for line in own.splitlines()] == ["example.org", "[mx2.example]:587"]
    for bad in ("", "a b", "a\nb", "[a.example]\tsecure"):
        refused = made("fingerprints", "mx1", "--format", "policy", "--nexthop", bad, code=2)
        assert refused.out == ""


def test_access(made: Home) -> None:
    """access prints a line for relay_clientcerts for each pin."""
    pins = [*made.pins("current"), *made.pins("next")]
    lines = made("fingerprints", "mx1", "--format", "access").out.splitlines()
    assert [line.split(None, 1)[0] for line in lines][: len(pins)] == pins
    assert all(line.split(None, 1)[1] for line in lines)


def test_tlsa(made: Home) -> None:
    """tlsa prints zone records 3 1 1 whose data are the SHA-256 of the key, for each DNS name and pin."""
    lines = made("fingerprints", "mx1", "--format", "tlsa", "--slot", "current").out.splitlines()
    records = [line.split() for line in lines if not line.startswith(";")]
    data = [openssl.colons(openssl.certificate_spki(leaf)).replace(":", "") for leaf in leaves(made)]
    owners = {record[0] for record in records}
    assert "_25._tcp.mx1.example." in owners
    assert not any("192.0.2.25" in owner for owner in owners)
    for record in records:
        at = record.index("TLSA")
        assert record[at + 1 : at + 4] == ["3", "1", "1"]
        assert record[at - 1] == "IN"
    first = [record[-1].upper() for record in records if record[0] == "_25._tcp.mx1.example."]
    assert first == data
    other = made("fingerprints", "mx2", "--format", "tlsa", "--port", "465", "--port", "25").out
    owners = {line.split()[0] for line in other.splitlines()}
    assert owners == {"_465._tcp.mx2.example.", "_25._tcp.mx2.example."}


@pytest.mark.parametrize("more", [["--digest", "sha1"], ["--of", "certificate"], ["--digest", "md5"]])
def test_tlsa_is_of_keys(made: Home, more: list[str]) -> None:
    """A record 3 1 1 of anything but the key's SHA-256 would be a lie: it is refused."""
    refused = made("fingerprints", "mx1", "--format", "tlsa", *more, code=None)
    assert refused.code == 2 or " 3 0 1 " in refused.out
    if refused.code == 2:
        assert refused.out == ""


def test_json_both_ways(made: Home) -> None:
    """--format json and --json are the same document."""
    assert made("fingerprints", "--format", "json").out == made("fingerprints", "--json").out
    assert made("fingerprints", "--format", "policy", "--json").json["version"] == 1


FILES = {
    "pkcs8": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ec": ["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
    "ec with parameters": ["ecparam", "-name", "secp384r1", "-genkey"],
    "ed25519": ["genpkey", "-algorithm", "ED25519"],
}


def of_file(home: Home, path: Path | str, *args: str) -> list[str]:
    return [found["fingerprint"] for found in listed(home, "--file", str(path), *args)]


@pytest.mark.parametrize("kind", FILES)
def test_file_of_a_key(home: Home, kind: str) -> None:
    """A key file of any kind has the fingerprint of its public key; so has the public key by itself."""
    key = openssl.openssl(*FILES[kind])
    expected = [openssl.colons(openssl.key_spki(key.decode()))]
    write(home / "key.pem", key.decode())
    assert of_file(home, "key.pem") == expected
    public = openssl.openssl("pkey", "-pubout", data=key).decode()
    write(home / "public.pem", public)
    assert of_file(home, home / "public.pem") == expected
    if kind == "pkcs8":
        old = openssl.openssl("rsa", "-traditional", data=key).decode()
        assert "BEGIN RSA PRIVATE KEY" in old
        write(home / "pkcs1.pem", old)
        assert of_file(home, "pkcs1.pem") == expected
        older = openssl.openssl("rsa", "-RSAPublicKey_out", data=key).decode()
        write(home / "rsa-public.pem", older)
        assert of_file(home, "rsa-public.pem") == expected
    assert expected[0] in home("fingerprints", "--file", "key.pem").out


def test_file_of_a_certificate(home: Home, made: Home) -> None:
    """A certificate file has both fingerprints, in every form, without any configuration."""
    leaf = leaves(made)[0]
    write(home / "cert.pem", leaf)
    key, certificate = openssl.colons(openssl.certificate_spki(leaf)), openssl.colons(openssl.der(leaf))
    assert key in of_file(home, "cert.pem")
    assert of_file(home, "cert.pem", "--of", "certificate") == [certificate]
    assert of_file(home, "cert.pem", "--of", "key") == [key]
    md5 = openssl.colons(openssl.der(leaf), "md5")
    assert of_file(home, "cert.pem", "--of", "certificate", "--digest", "md5") == [md5]
    line = home("fingerprints", "--file", "cert.pem", "--format", "policy", "--nexthop", "[h.example]").out
    assert line == f"[h.example] fingerprint match={key}\n"
    access = home("fingerprints", "--file", "cert.pem", "--format", "access").out
    assert access.split()[0] == key
    tlsa = home("fingerprints", "--file", "cert.pem", "--format", "tlsa").out
    assert key.replace(":", "").lower() in tlsa.lower()


def test_file_of_a_bundle(home: Home, made: Home) -> None:
    """Of a bundle with its chain, what is shown is the server's certificate, not its issuers."""
    leaf = leaves(made)[1]
    write(home / "bundle.pem", (made / "state/live/mx1/rsa-2048/bundle.pem").read_text())
    assert of_file(home, "bundle.pem", "--of", "key") == [openssl.colons(openssl.certificate_spki(leaf))]
    assert of_file(home, "bundle.pem", "--of", "certificate") == [openssl.colons(openssl.der(leaf))]


BAD = {
    "missing": None,
    "empty": b"",
    "text": b"hello\n",
    "half": b"-----BEGIN CERTIFICATE-----\nMIIB\n",
    "no base64": b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
    "no der": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "binary": bytes(range(256)) * 10,
    "other pem": b"-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n",
    "encrypted": b"encrypted",
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files(home: Home, what: str) -> None:
    """A file that is no certificate and no key fails in words that name it."""
    path = home / "bad.pem"
    data = BAD[what]
    if data == b"encrypted":
        data = openssl.openssl("genpkey", "-algorithm", "ED25519", "-aes-128-cbc", "-pass", "pass:secret")
    if data is not None:
        path.write_bytes(data)
    failed = home("fingerprints", "--file", "bad.pem", code=None)
    assert failed.code in (1, 2)
    assert "bad.pem" in failed.err
    assert failed.out == ""


def test_a_directory(home: Home) -> None:
    """A directory in place of the file fails in words."""
    assert home("fingerprints", "--file", ".", code=None).code in (1, 2)


def test_before_the_first_pass(home: Home) -> None:
    """Nothing to show is no error, in any form."""
    home.config(CONFIG)
    for form in ("text", "policy", "access", "tlsa", "json"):
        home("fingerprints", "--format", form)
    assert listed(home) == []
