"""What a change of the configuration does: names, key algorithms, issuers, and certificates that are gone."""

from __future__ import annotations

import json

import pytest

from tests.contract import openssl
from tests.contract.home import Home

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
[[certificate.mx1.file]]
path = "mx1.pem"
"""


def leaf(home: Home) -> str:
    labels, blocks = openssl.read(home / "mx1.pem")
    return blocks[labels.index("CERTIFICATE")]


def test_names(home: Home) -> None:
    """Other names make a certificate due, with them as the reason; the key and its pin stay."""
    home.config(CONFIG)
    home("run")
    pins = home.pins("all")
    more = '"*.sub.example", "192.0.2.7", "2001:db8::7", "bücher.example"'
    home.edit('["mx1.example"]', f'["mx1.example", {more}]')
    (step, *_) = home.json("plan")["steps"]
    assert step["kind"] == "issue"
    assert "names" in step["reason"]
    home("run")
    found = openssl.names(leaf(home))
    for name in ("mx1.example", "*.sub.example", "192.0.2.7", "2001:DB8", "xn--bcher-kva.example"):
        assert name in found, found
    assert "bücher" not in found
    assert home.pins("all") == pins
    assert home.steps() == []
    # The order does not matter, nor the case.
    home.edit('"mx1.example", "*.sub.example"', '"*.sub.example", "MX1.example"')
    assert home.steps() == []


def test_fewer_names(home: Home) -> None:
    """A name that is no longer configured leaves the certificate."""
    home.config(CONFIG.replace('["mx1.example"]', '["mx1.example", "old.example"]'))
    home("run")
    home.edit(', "old.example"', "")
    home("run")
    assert "old.example" not in openssl.names(leaf(home))


def test_key_algorithm(home: Home) -> None:
    """Other algorithms need a new key: it is shown, held, and the old one is served meanwhile."""
    home.config(CONFIG.replace("names =", 'hold_down = "1h"\nnames ='))
    home("run")
    before = home.pins("current")
    home.edit("[certificate.mx1]", '[certificate.mx1]\nkeys = ["rsa-2048", "ed25519"]')
    assert home.certificate()["state"] in ("due", "held")
    assert "rsa-2048" in json.dumps(home.json("plan")["steps"])
    home("run")
    entry = home.certificate()
    assert home.pins("current") == before
    assert openssl.served(home / "mx1.pem") == before[0]
    assert [key["algorithm"] for key in entry["next"]["keys"]] == ["rsa-2048", "ed25519"]
    assert entry["state"] == "held"
    (hold,) = home.json("plan")["holds"]
    assert "rsa-2048" in hold["reason"]
    announced = home.pins("next")
    home.edit('"1h"', '"0s"')
    home("run")
    assert home.pins("current") == announced
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels == ["KEY", "CERTIFICATE"] * 2
    assert b"2048 bit" in openssl.openssl("pkey", "-noout", "-text", data=blocks[0].encode())
    assert home.steps() == []


def test_issuer(home: Home) -> None:
    """Another issuer makes a certificate due, with it as the reason; the key and its pin stay."""
    home.config(CONFIG)
    home("run")
    pins = home.pins("all")
    home.edit("[certificate.mx1]", '[certificate.mx1]\nissuer = "private-ca"')
    (step, *_) = home.json("plan")["steps"]
    assert step["kind"] == "issue"
    assert "private-ca" in step["reason"]
    home("run")
    assert home.pins("all") == pins
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels == ["KEY", "CERTIFICATE", "CERTIFICATE"]
    openssl.verifies(blocks[1], blocks[2:], home / "state/issuers/private-ca/root.pem", home.path)
    assert home.certificate()["issuer"] == "private-ca"
    assert home.steps() == []


FALLBACK = """
[issuer.first]
type = "command"
command = ["./sign"]
[certificate.mx1]
names = ["mx1.example"]
issuer = ["first", "self-signed"]
[[certificate.mx1.file]]
path = "mx1.pem"
"""


def test_fallback(home: Home) -> None:
    """Where the first issuer fails, the next one is asked in the same pass, and the failure is told."""
    home.script("sign", "echo asked >>$HERE/asked; echo no >&2; exit 1")
    home.config(FALLBACK)
    told = home("run", code=None)
    assert "first" in told.err
    assert home.lines("asked") == ["asked"]
    subject = openssl.field(leaf(home), "-subject").removeprefix("subject=")
    assert openssl.field(leaf(home), "-issuer").removeprefix("issuer=") == subject
    entry = home.certificate()
    assert entry["issuer"] == "self-signed"
    assert entry["current"] is not None
    # It settles: the first one is not asked in every pass.
    home("run", code=None)
    assert home.lines("asked") == ["asked"]
    assert home.steps() == []


def test_all_issuers_fail(home: Home) -> None:
    """Where every issuer fails, each is named with its reason, and the back-off is kept."""
    home.script("sign", "echo out of ink >&2; exit 1")
    home.script("sign2", "echo out of paper >&2; exit 1")
    home.config(
        FALLBACK.replace('"self-signed"]', '"second"]')
        + '[issuer.second]\ntype = "command"\ncommand = ["./sign2"]\n'
    )
    told = home("run", code=1)
    for word in ("first", "out of ink", "second", "out of paper"):
        assert word in told.err, told.err
    entry = home.certificate()
    assert (entry["state"], entry["current"]) == ("failing", None)
    assert not (home / "mx1.pem").exists()
    home("run", code=1)
    assert home.json("plan")["steps"] == []
    assert home.json("plan")["next_pass_at"] == entry["retry_at"]


def test_a_mended_issuer_is_asked_at_once(home: Home) -> None:
    """renew does not wait for a back-off."""
    home.script("sign", "exit 1")
    home.config(FALLBACK.replace('["first", "self-signed"]', '"first"'))
    home("run", code=1)
    home.edit('issuer = "first"', 'issuer = "self-signed"')
    home("run")
    assert home.certificate()["state"] == "ok"


def test_others_go_on(home: Home) -> None:
    """One issuer that fails keeps no other certificate, file or hook from being done."""
    home.script("sign", "exit 1")
    home.script("reload", "echo ran >>$HERE/ran")
    home.config(
        FALLBACK.replace('["first", "self-signed"]', '"first"')
        + '[certificate.mx2]\nnames = ["mx2.example"]\n[[certificate.mx2.file]]\npath = "mx2.pem"\n'
        + 'hooks = ["reload"]\n[hook.reload]\ncommand = ["./reload"]\n'
    )
    home("run", code=1)
    assert home.certificate("mx2")["state"] == "ok"
    assert (home / "mx2.pem").exists()
    assert home.lines("ran") == ["ran"]


def test_a_certificate_that_is_gone(home: Home) -> None:
    """What is no longer configured is left alone: its keys, its files, and the right to come back."""
    home.config(CONFIG + '[certificate.mx2]\nnames = ["mx2.example"]\n')
    home("run")
    pins, served = home.pins("all"), (home / "mx1.pem").read_bytes()
    home.config('[certificate.mx2]\nnames = ["mx2.example"]\n')
    assert home.steps() == []
    home("run")
    home("status", "mx1", code=2)
    assert (home / "mx1.pem").read_bytes() == served
    assert "mx1" in home("log", "mx1").out
    home.config(CONFIG)
    assert home.steps() == []
    assert home.pins("all") == pins


@pytest.mark.parametrize("issuer", ["self-signed", "private-ca"])
@pytest.mark.parametrize("algorithm", ["rsa-3072", "ecdsa-p384", "ed25519"])
def test_algorithms(home: Home, issuer: str, algorithm: str) -> None:
    """Every algorithm makes a key of its kind, with a certificate for servers and clients."""
    home.config(CONFIG + f'[issuer.x]\ntype = "{issuer}"\n')
    home.edit("[certificate.mx1]", f'[certificate.mx1]\nissuer = "x"\nkeys = ["{algorithm}"]')
    home("run")
    labels, blocks = openssl.read(home / "mx1.pem")
    text = openssl.openssl("pkey", "-noout", "-text", data=blocks[0].encode()).decode()
    assert {"rsa-3072": "3072 bit", "ecdsa-p384": "secp384r1", "ed25519": "ED25519"}[algorithm] in text
    about = openssl.openssl("x509", "-noout", "-text", data=blocks[1].encode()).decode()
    assert "TLS Web Server Authentication" in about
    assert "TLS Web Client Authentication" in about
    if issuer == "private-ca":
        assert "CA:FALSE" in about
        openssl.verifies(blocks[1], blocks[2:], home / "state/issuers/x/root.pem", home.path)
    else:
        assert labels == ["KEY", "CERTIFICATE"]
        itself = home / "state/live/mx1/cert.pem"
        openssl.openssl("verify", "-CAfile", itself, itself)
