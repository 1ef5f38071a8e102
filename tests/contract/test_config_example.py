"""The example of the contract is a configuration, with everything that its comments promise."""

from __future__ import annotations

import re

from tests.contract.home import Home, write
from tests.unit.config_files import CONTRACT


def test_example_loads(home: Home) -> None:
    """All of the example is read, whatever of it is built, and a plan of it changes nothing."""
    state = str(home / "state")
    write(home / "certctl.toml", CONTRACT.replace('"/var/lib/certctl"', f'"{state}"'))
    before = home.snapshot()
    plan = home.json("plan")
    assert ("make-key", "mx1") in {(step["kind"], step["subject"]) for step in plan["steps"]}
    status = home.json("status")
    assert status["certificates"][0]["names"] == ["mx1.example.org", "192.0.2.25"]
    assert status["certificates"][0]["issuer"] == "letsencrypt"
    assert {hook["name"] for hook in status["hooks"]} >= {"postfix", "postmap"}
    home("plan", "--check", code=3)
    home("status")
    home("hooks")
    home("fingerprints")
    assert home.snapshot() == before


def test_example_is_the_contract_s() -> None:
    """What is tested here has every table of the contract."""
    tables = set(re.findall(r"^\[+([a-z]+)", CONTRACT, re.MULTILINE))
    assert tables == {"issuer", "certificate", "dhparam", "watch", "hook", "announce", "peer"}


ALTERNATIVES = """
[issuer.a]
type = "acme"
directory = "letsencrypt-staging"
agree_tos = true
challenge = "http-01"
listen = "0.0.0.0:80"
profile = "shortlived"
preferred_chain = "ISRG Root X1"
ca_file = "ca.pem"
eab_kid = "kid"
eab_hmac_key_file = "eab.key"
ari = true
[issuer.b]
type = "acme"
directory = "letsencrypt"
agree_tos = true
challenge = "http-01"
webroot = "/var/www/html"
[issuer.c]
type = "acme"
directory = "letsencrypt"
agree_tos = true
challenge = "tls-alpn-01"
listen = "0.0.0.0:443"
[issuer.d]
type = "acme"
directory = "letsencrypt"
agree_tos = true
challenge = "dns-01"
dns = "rfc2136"
[issuer.d.rfc2136]
server = "192.0.2.53"
zone = "example.org"
tsig_key_file = "tsig.key"
[issuer.e]
type = "csr"
[issuer.f]
type = "self-signed"
[certificate.mx1]
names = ["mx1.example.org"]
issuer = ["e", "private-ca", "self-signed"]
keys = ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384", "ed25519"]
renew_before = "auto"
rotate_every = "never"
hold_down = "2w"
announce = ["b", "c", "d", "e"]
probe = [
  "smtp://h", "smtps://h", "imap://h", "imaps://h", "pop3://h", "pop3s://h",
  "lmtp://h:24", "https://h", "tls://h:1",
]
on_failed_probe = "keep"
[announce.b]
type = "policy"
path = "policy"
[announce.c]
type = "tlsa"
path = "zone"
[announce.d]
type = "feed"
path = "feed.jws"
[announce.e]
type = "command"
command = ["/bin/true"]
[dhparam.g]
path = "g.pem"
source = "generate"
rotate_every = "2w"
mode = "0440"
[dhparam.f]
path = "f.pem"
bits = 3072
source = "ffdhe"
[peer."p.example"]
feed = "/srv/feed.jws"
key = "x"
nexthops = ["[p.example]:25"]
map = "map"
"""


def test_alternatives_load(home: Home) -> None:
    """What the comments of the example name besides is accepted, too."""
    home.config(ALTERNATIVES)
    result = home("plan", code=None)
    faults = [line for line in result.err.splitlines() if "error" in line and "[peer" not in line]
    assert faults == []
