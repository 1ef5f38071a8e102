"""The tables of dns-01 and TSIG key files."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from certctl.core.spec import AcmeOptions
from certctl.errors import CertctlError
from certctl.issuers.acme.dns01 import Dns01
from certctl.issuers.acme.dnsoptions import Address, Table
from certctl.issuers.acme.leftovers import Leftovers
from certctl.issuers.acme.rfc2136 import TsigKey, read_tsig_key


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.53", Address("192.0.2.53", 53)),
        ("192.0.2.53:5353", Address("192.0.2.53", 5353)),
        ("ns.example.test", Address("ns.example.test", 53)),
        ("2001:db8::53", Address("2001:db8::53", 53)),
        ("[2001:db8::53]", Address("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", Address("2001:db8::53", 5353)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    """Names and addresses of both families, with a port or without."""
    assert Table("t", {"server": text}).address("server") == address
    assert Table("t", {"server": [text, text]}).addresses("server") == (address, address)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("", {}, "challenge dns-01 needs dns"),
        ("rfc2136", {}, r"\[issuer\.ca\.rfc2136\]: server must be the address of one server"),
        ("rfc2136", {"server": "192.0.2.53:x"}, "server must be an address such as"),
        ("rfc2136", {"server": "192.0.2.53", "propagation": "5m"}, "propagation must be a number"),
        ("command", {}, r"\[issuer\.ca\.command\]: command must be the program"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, method: str, options: dict[str, object], message: str
) -> None:
    """A table that cannot work is refused before anything is ordered."""
    chosen = AcmeOptions("https://ca.test/", challenge="dns-01", dns=method, dns_options=options)
    with pytest.raises(CertctlError, match=message) as caught:
        Dns01("ca", chosen, Leftovers(str(tmp_path)))
    assert not caught.value.transient


SECRET = base64.b64encode(b"\xff\xff\xfe" * 8).decode()  # has // in it


@pytest.mark.parametrize(
    "text",
    [
        f'key "k" {{\n\talgorithm hmac-sha512;\n\tsecret "{SECRET}";\n}};\n',
        f'# made by hand\nkey k {{ algorithm HMAC-SHA512; secret "{SECRET}"; }};',
        f'/* key "no" {{ }}; */ key "k" {{ secret "{SECRET}"; algorithm "hmac-sha512"; }}; // end',
    ],
)
def test_tsig_key(tmp_path: Path, text: str) -> None:
    """Key clauses as tsig-keygen prints them and as people write them, comments and all."""
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    assert "//" in SECRET
    assert read_tsig_key(os.fspath(path)) == TsigKey("k", "hmac-sha512", SECRET)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "no key clause"),
        ('key "k" { algorithm hmac-sha256; };', "has no secret"),
        ('key "k" { secret "@@@"; };', "no base64"),
        ('key "k" { algorithm rot13; secret "AAAA"; };', "rot13 is not known"),
    ],
)
def test_tsig_key_that_is_none(tmp_path: Path, text: str | None, message: str) -> None:
    """What is wrong with the file is said, and how a good one is made."""
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    with pytest.raises(CertctlError, match=f"cannot read a TSIG key from {path}: .*{message}") as caught:
        read_tsig_key(os.fspath(path))
    assert "tsig-keygen" in str(caught.value.hint)
