"""Ciphers, protocols, DH parameters and pins: the words of which settings are made."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from certctl.doctor.chain import soon
from certctl.doctor.ciphers import unknown_words, weak_words
from certctl.doctor.dh import read_prime
from certctl.doctor.finding import Place
from certctl.doctor.policy_attributes import Rules
from certctl.doctor.policy_match import check_pins, pin_bytes
from certctl.doctor.policy_table import check_policy
from certctl.doctor.postfix_protocols import enabled_protocols, syntax_error
from certctl.doctor.postfix_tls import _check_digests
from certctl.doctor.run import doctor
from certctl.servers.map_source import Line
from certctl.servers.postfix import read_postfix
from tests.unit.doctor_case import put_up
from tests.unit.x509_make import NOW

FOUR = "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"


@pytest.mark.parametrize(
    ("cipher_list", "weak"),
    [
        ("HIGH:!aNULL:!MD5", []),
        ("aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH", []),
        ("ALL:!aNULL:!eNULL:!EXPORT:!LOW", []),
        ("ALL", ["ALL"]),
        ("HIGH:RC4-SHA", ["RC4-SHA"]),
        ("HIGH:RC4-SHA:!RC4", []),
        ("EECDH+aRSA+RC4 EDH+aRSA", ["EECDH+aRSA+RC4"]),
        ("DES-CBC3-SHA,EXP-RC4-MD5", ["DES-CBC3-SHA", "EXP-RC4-MD5"]),
        ("ADH-AES256-SHA", ["ADH-AES256-SHA"]),
        ("eNULL:COMPLEMENTOFALL", ["eNULL", "COMPLEMENTOFALL"]),
        ("", []),
    ],
)
def test_weak_ciphers(cipher_list: str, weak: list[str]) -> None:
    """What is let in counts, not what is moved, taken away or banned anywhere in the list."""
    assert list(weak_words(cipher_list)) == weak


def test_words_that_mean_nothing() -> None:
    """Names of suites and classes are known, past ones too; others are not, and the nearest is told."""
    assert unknown_words("aNULL, eNULL, EXPORT, DES, RC4, MD5, PSK, aECDH, EDH-DSS-DES-CBC3-SHA") == {}
    assert unknown_words("KRB5-DES-CBC3-MD5:kEDH+aRSA:!3DES:-SEED:@SECLEVEL=0") == {}
    assert unknown_words("EDH-RSA-DES-CDC3-SHA KRB5-DE5 CBC3-SHA xyzzy") == {
        "EDH-RSA-DES-CDC3-SHA": "EDH-RSA-DES-CBC3-SHA",
        "KRB5-DE5": "KRB5-DES",
        "CBC3-SHA": "DES-CBC3-SHA",
        "xyzzy": "",
    }


@pytest.mark.parametrize(
    ("value", "enabled"),
    [
        ("", f"SSLv2 SSLv3 {FOUR}"),
        (">=TLSv1", FOUR),
        (">=TLSv1.2", "TLSv1.2 TLSv1.3"),
        (">=TLSv1, <=TLSv1.2", "TLSv1 TLSv1.1 TLSv1.2"),
        ("!SSLv2, !SSLv3, !TLSv1, !TLSv1.1", "TLSv1.2 TLSv1.3"),
        ("!SSLv2:!SSLv3", FOUR),
        ("TLSv1.2", "TLSv1.2"),
        ("tlsv1.2 !TLSv1.2", ""),
    ],
)
def test_protocols_that_a_list_leaves_on(value: str, enabled: str) -> None:
    """Inclusions, exclusions, floors and ceilings together, as tls_proto_mask_lims() has it."""
    assert syntax_error(value) == ""
    assert enabled_protocols(value) == set(enabled.split())


@pytest.mark.parametrize("value", ["TLSv1.0", "!TLS1", ">=SSLv2", ">=TLSv1.4", "all", "-SSLv3"])
def test_protocols_that_do_not_exist(value: str) -> None:
    """A word that Postfix does not know makes TLS unavailable, and is named."""
    assert value.lstrip("!") in syntax_error(value)


def test_floor_needs_a_new_postfix() -> None:
    """>= is of Postfix 3.6; hexadecimal versions and None are allowed after it."""
    assert syntax_error(">=TLSv1.2", (3, 5)) == ">=TLSv1.2 needs Postfix 3.6"
    assert syntax_error(">=0x0303, <=None", (3, 6)) == ""


@pytest.mark.parametrize(
    ("pin", "length"),
    [
        ("AA:bb:0f", 3),
        ("aabb0f", 3),
        ("AA:bb0f", 3),
        ("AA:", None),
        (":AA", None),
        ("AAB", None),
        ("", None),
        ("ÄÄ", None),
    ],
)
def test_pins(pin: str, length: int | None) -> None:
    """Hex pairs with colons or without, but not at the ends (hex_decode_opt())."""
    assert pin_bytes(pin) == length


@pytest.mark.parametrize(
    ("value", "version", "checks"),
    [
        ("fingerprint match=" + "AB" * 32, (3, 5), ["policy-pin-malformed"]),
        ("fingerprint match=" + "AB" * 32, (3, 6), []),
        ("encrypt connection_reuse=yes", (3, 3), ["policy-attribute"]),
        ("encrypt enable_rpk=yes", (3, 8), ["policy-attribute"]),
        ("encrypt enable_rpk=no", (3, 9), []),
        ("encrypt { ciphers = high }, { protocols = >=TLSv1.2 }", (3, 10), []),
        ("encrypt { ciphers = high }", (3, 9), ["policy-malformed"]),
        ("secure policy_type=sts policy_ttl=10 mx_host_pattern=*.a policy_string=x", (3, 10), []),
        ("secure policy_ttl=10", (3, 10), ["policy-attribute"]),
        ("secure policy_type=sts", (3, 9), ["policy-attribute"]),
        ("encrypt protocols=>=TLSv1.2", (3, 5), ["policy-protocols"]),
        ("SECURE Match=NextHop CIPHERS=High", (3, 7), []),
    ],
)
def test_policies_of_versions(value: str, version: tuple[int, ...], checks: list[str]) -> None:
    """What a Postfix knows depends on its age."""
    found = check_policy(Place("table", "postfix"), [Line(1, "a.example", value)], Rules(version=version))
    assert [one.check.removeprefix("postfix-") for one in found] == checks


def test_pins_of_main_cf() -> None:
    """An entry without match= has the pins of smtp_tls_fingerprint_cert_match, which are checked likewise."""
    lines = [Line(1, "a.example", "fingerprint")]
    good = Rules(default_pins=", ".join(["AB:" * 31 + "AB"] * 2))
    short = Rules(default_pins="AB:CD")
    assert list(check_policy(Place("t", "postfix"), lines, good)) == []
    assert [one.check for one in check_policy(Place("t", "postfix"), lines, short)] == [
        "postfix-policy-pin-length"
    ]


def test_dh_files(tmp_path: os.PathLike[str]) -> None:
    """The prime is read off PKCS #3, whatever stands around it; what is cut or no DH is none."""
    case = put_up("postfix-dh-2048", str(tmp_path))
    with open(os.path.join(case.directory, "dh2048.pem"), "rb") as file:
        data = file.read()
    prime = read_prime(b"DH Parameters: (2048 bit)\n" + data + b"\n")
    assert prime is not None
    assert prime.bit_length() == 2048
    assert read_prime(data[:200]) is None
    assert read_prime(data.replace(b"MII", b"AII", 1)) is None
    assert read_prime(b"") is None


def test_soon() -> None:
    """A certificate expires soon when a tenth of its life is left, or thirty days of a long one."""
    assert soon(timedelta(days=90)) == timedelta(days=9)
    assert soon(timedelta(days=3650)) == timedelta(days=30)


def test_advice_that_changes_a_pin(tmp_path: Path) -> None:
    """Advice to have a certificate issued anew says whose pins change, and how they learn of it before."""
    case = put_up("postfix-expires-soon", str(tmp_path / "etc"))
    fixes = [one.fix for one in doctor(case.targets, NOW) if "certctl renew" in one.fix]
    assert fixes
    assert all("who pins the certificate breaks" in fix and 'pin = "certificate"' in fix for fix in fixes)


@pytest.mark.parametrize(
    ("nexthop", "digest", "said"),
    [
        ("[mx.peer.example]:2525", "sha256", "certctl probe smtp://mx.peer.example:2525 prints what"),
        ("[mx.peer.example]", "sha256", "certctl probe smtp://mx.peer.example prints"),
        ("peer.example", "sha256", "certctl probe smtp://PEER prints"),
        ("[ipv6:2001:db8::1]", "sha256", "certctl probe smtp://PEER prints"),
        ("[mx.peer.example]", "md5", "ask the peer for its md5 fingerprints"),
    ],
)
def test_pins_of_peers_come_from_peers(nexthop: str, digest: str, said: str) -> None:
    """Advice about an entry for a peer says how to learn the peer's fingerprints, not one's own."""
    findings = check_pins(Place("policy line 1", ""), nexthop, ["AA:BB:CC"], digest, "", True)
    assert [one.fix for one in findings if said in one.fix]


def test_pins_of_the_next_digest() -> None:
    """Pins of another digest beside those that count are no fault: so a digest is changed without a gap."""
    md5, sha256 = "AB:" * 15 + "AB", "AB:" * 31 + "AB"
    beside, alone = (
        [one.severity for one in check_pins(Place("t", ""), "a", pins, "md5", "", True)]
        for pins in ([md5, sha256], [sha256])
    )
    assert beside == ["info"]
    assert alone == ["error"]


def test_advice_names_the_certificate(tmp_path: Path) -> None:
    """Where certctl writes the file, advice about it names its certificate: it can be typed as it is."""
    case = put_up("seed-incoming", str(tmp_path / "etc"))
    files = {os.path.join(case.directory, "ssl", name): "mx1" for name in ("server.pem", "server.key")}
    fixes = [one.fix for one in doctor(case.targets, NOW, lineages=files) if "certctl" in one.fix]
    assert fixes
    assert not [fix for fix in fixes if "NAME" in fix or "BUNDLE" in fix]


def test_weak_digest_asks_whose_pins_they_are(tmp_path: Path) -> None:
    """A digest for peers' pins sends to the peers, one for clients' to the clients."""
    settings = "smtp_tls_fingerprint_digest = md5\nsmtpd_tls_fingerprint_digest = md5\n"
    (tmp_path / "main.cf").write_text(settings)
    postfix = read_postfix(str(tmp_path), ask_postconf=False)
    peers, clients = (one.fix for one in _check_digests(postfix, Place("main.cf", "")))
    assert "certctl probe smtp://PEER prints what it serves" in peers
    assert clients.startswith("ask the clients for their sha256 fingerprints")
