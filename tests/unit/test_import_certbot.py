"""import certbot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.issuers.acme import accountfile
from tests.unit.import_trees import (
    ACCOUNT_URL,
    LETSENCRYPT,
    STANDALONE,
    certbot_account,
    certbot_lineage,
    encrypted,
    rsa_key,
    write,
)
from tests.unit.import_world import ImportWorld, loads, make_world, rows
from tests.unit.x509_make import ec_key, pin


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


def test_lineage_becomes_generation_one(importing: ImportWorld) -> None:
    """The key that peers pin is current at once, the next pass serves it and orders nothing."""
    made = importing.ca.leaf("mx1.example.org", "mail.example.org")
    certbot_lineage(importing.tree, importing.ca, "mx1.example.org", made)
    spec = importing.added("certbot")
    cert = spec.certificates["mx1.example.org"]
    assert cert.names == ("mx1.example.org", "mail.example.org")
    assert cert.keys == ("ecdsa-p256",)
    current = importing.world.status()["mx1.example.org"]["current"]
    assert current["generation"] == 1
    assert current["keys"][0]["key_sha256"] == made.pin
    assert current["announced_at"] == current["promoted_at"] == current["made_at"]
    kinds = [step["kind"] for step in importing.world.done("run", "--json").document["steps"]]
    assert sorted(kinds) == ["make-key", "write"]
    assert importing.key_of("mx1.example.org") == made.pin


def test_account_goes_to_the_issuer(importing: ImportWorld) -> None:
    """The account's key and URL are those that the issuer looks for."""
    key = rsa_key()
    certbot_lineage(importing.tree, importing.ca, "mx1.example.org", importing.ca.leaf("mx1.example.org"))
    certbot_account(importing.tree, key)
    spec = importing.added("certbot")
    assert spec.issuers["letsencrypt"].acme is not None
    assert spec.issuers["letsencrypt"].acme.directory == LETSENCRYPT
    home = f"{importing.world.layout.issuers}/letsencrypt"
    kept = accountfile.read_key(accountfile.key_path(home))
    assert kept is not None
    assert kept.key.private_numbers() == key.private_numbers()
    registration = accountfile.read_registration(home)
    assert registration is not None
    assert (registration.directory, registration.url) == (LETSENCRYPT, ACCOUNT_URL)
    assert os.stat(accountfile.key_path(home)).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("params", "tail", "wanted"),
    [
        ({}, "", {"challenge": "http-01", "webroot": "", "listen": ()}),
        ({"http01_port": "8080"}, "", {"listen": ("0.0.0.0:8080",)}),
        (
            {"authenticator": "webroot", "webroot_path": "/var/www/mail,"},
            "[[webroot_map]]\nmx1.example.org = /var/www/mail\n",
            {"webroot": "/var/www/mail"},
        ),
        ({"authenticator": "nginx"}, "", {"challenge": "http-01", "webroot": "/var/www/html"}),
        (
            {"authenticator": "dns-cloudflare", "dns_cloudflare_credentials": "/root/cf.ini"},
            "",
            {"challenge": "dns-01", "dns": "cloudflare"},
        ),
        (
            {"authenticator": "manual", "pref_challs": "dns-01,", "manual_auth_hook": "/root/auth.sh"},
            "",
            {"challenge": "dns-01", "dns": "command"},
        ),
        ({"preferred_chain": "ISRG Root X1"}, "", {"preferred_chain": "ISRG Root X1"}),
        ({"preferred_profile": "tlsserver"}, "", {"profile": "tlsserver"}),
        ({"server": "https://ca.example.org/acme"}, "", {"directory": "https://ca.example.org/acme"}),
    ],
)
def test_renewal_settings(
    importing: ImportWorld, params: dict[str, str], tail: str, wanted: dict[str, object]
) -> None:
    """Whatever certbot renewed by comes out as an issuer that loads and says the same."""
    made = importing.ca.leaf("mx1.example.org")
    certbot_lineage(importing.tree, importing.ca, "mx1.example.org", made, {**STANDALONE, **params}, tail)
    spec = importing.added("certbot")
    acme = spec.issuers[spec.certificates["mx1.example.org"].issuers[0]].acme
    assert acme is not None
    assert {name: getattr(acme, name) for name in wanted} == wanted


def test_rfc2136_keeps_the_secret_out(importing: ImportWorld) -> None:
    """The DNS server goes into the table, its TSIG secret is not shown."""
    ini = write(
        importing.tree / "rfc2136.ini",
        "dns_rfc2136_server = 192.0.2.53\ndns_rfc2136_name = k.\ndns_rfc2136_secret = c2VjcmV0\n",
        0o600,
    )
    params = {**STANDALONE, "authenticator": "dns-rfc2136", "dns_rfc2136_credentials": str(ini)}
    certbot_lineage(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), params)
    ran = importing("certbot")
    assert 'server = "192.0.2.53"' in ran.out
    assert "c2VjcmV0" not in ran.out + ran.err


def test_each_challenge_is_an_issuer(importing: ImportWorld) -> None:
    """Lineages that are renewed alike share an issuer, others get one of their own; each has the account."""
    for name, params in (
        ("a.example.org", STANDALONE),
        ("b.example.org", STANDALONE),
        ("c.example.org", {**STANDALONE, "authenticator": "webroot", "webroot_path": "/srv/www"}),
    ):
        certbot_lineage(importing.tree, importing.ca, name, importing.ca.leaf(name), params)
    certbot_account(importing.tree, rsa_key())
    spec = importing.added("certbot")
    issuers = {name: cert.issuers[0] for name, cert in spec.certificates.items()}
    assert issuers == {
        "a.example.org": "letsencrypt",
        "b.example.org": "letsencrypt",
        "c.example.org": "letsencrypt-2",
    }
    for issuer in ("letsencrypt", "letsencrypt-2"):
        assert os.path.exists(accountfile.key_path(f"{importing.world.layout.issuers}/{issuer}"))


def test_hooks_are_told(importing: ImportWorld, tmp_path: Path) -> None:
    """What certbot ran after a renewal stands in the comments, and the ready-made hook is suggested."""
    params = {**STANDALONE, "renew_hook": "systemctl reload postfix"}
    certbot_lineage(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), params)
    write(importing.tree / "renewal-hooks" / "deploy" / "mail.sh", "#!/bin/sh\n", 0o755)
    text = importing("certbot").out
    assert "#     systemctl reload postfix\n" in text
    assert "renewal-hooks/deploy/mail.sh" in text
    assert '#hooks = ["postfix"]\n' in text
    switched_on = "\n".join(
        line[1:] if line[:1] == "#" and line[:2] != "# " else line for line in text.splitlines()
    )
    loaded = loads(tmp_path, switched_on)
    assert loaded.certificates["a.example.org"].files[0].path == "/etc/postfix/tls/a.example.org.pem"


def test_bad_lineages_stay_alone(importing: ImportWorld) -> None:
    """A dangling symlink, a foreign key, an encrypted one and a missing chain are refused; the rest comes."""
    tree, ca = importing.tree, importing.ca
    for name in ("good", "dangling", "foreign", "locked", "bare"):
        certbot_lineage(tree, ca, f"{name}.example.org", ca.leaf(f"{name}.example.org"))
    (tree / "archive/dangling.example.org/privkey3.pem").unlink()
    write(tree / "archive/foreign.example.org/privkey3.pem", ca.leaf("x.example.org").key_pem)
    write(tree / "archive/locked.example.org/privkey3.pem", encrypted(ec_key()))
    for part in ("chain3", "fullchain3"):
        write(
            tree / f"archive/bare.example.org/{part}.pem",
            (tree / "archive/bare.example.org/cert3.pem").read_bytes(),
        )
    ran = importing("certbot")
    assert ran.code == 1
    assert "good.example.org: imported" in ran.err
    assert 'certificate."good.example.org"' in ran.out
    assert "bare.example.org" not in ran.out
    for name, why in (
        ("dangling", "symlink to nothing"),
        ("foreign", "is for the key"),
        ("locked", "encrypted"),
        ("bare", "is missing, which signed"),
    ):
        line = next(line for line in ran.err.splitlines() if f"error: {name}.example.org" in line)
        assert why in line


def test_expired_is_taken_as_due(importing: ImportWorld) -> None:
    """An expired certificate is no obstacle: peers know its key, and the next pass renews it."""
    made = importing.ca.leaf("old.example.org", days=-3)
    certbot_lineage(importing.tree, importing.ca, "old.example.org", made)
    importing.added("certbot")
    status = importing.world.status()["old.example.org"]
    assert status["state"] == "expired"
    assert status["current"]["keys"][0]["key_sha256"] == made.pin
    steps = importing.world.steps()
    assert [step["kind"] for step in steps if step["kind"] == "issue"] == ["issue"]
    assert "expired" in next(step["reason"] for step in steps if step["kind"] == "issue")


def test_copied_tree(importing: ImportWorld) -> None:
    """A tree that was copied, its confs naming the old place and its symlinks gone, is read where it is."""
    made = importing.ca.leaf("mx1.example.org")
    certbot_lineage(importing.tree, importing.ca, "mx1.example.org", made, number=12)
    certbot_lineage(
        Path(f"{importing.tree}/old"), importing.ca, "mx1.example.org", importing.ca.leaf("mx1.example.org")
    )
    for part in ("privkey", "cert", "chain", "fullchain"):
        (importing.tree / f"live/mx1.example.org/{part}.pem").unlink()
    conf = importing.tree / "renewal/mx1.example.org.conf"
    conf.write_text(conf.read_text().replace(str(importing.tree), "/nowhere/letsencrypt"))
    importing.added("certbot")
    assert importing.world.status()["mx1.example.org"]["current"]["keys"][0]["key_sha256"] == made.pin


def test_several_lineages_for_the_same_names(importing: ImportWorld) -> None:
    """Both are kept under their own names: servers may read either."""
    for name in ("mx1.example.org", "mx1.example.org-0001"):
        certbot_lineage(
            importing.tree, importing.ca, name, importing.ca.leaf("mx1.example.org", key=ec_key())
        )
    spec = importing.added("certbot")
    assert list(spec.certificates) == ["mx1.example.org", "mx1.example.org-0001"]


def test_two_lineages_fill_a_certificate_with_two_keys(importing: ImportWorld) -> None:
    """An RSA and an ECDSA lineage become the one certificate that is configured with both."""
    importing.world.configure(
        '[certificate.mx1]\nnames = ["mx1.example.org"]\nkeys = ["rsa-2048", "ecdsa-p256"]\n'
    )
    rsa, ec = importing.ca.leaf("mx1.example.org", key=rsa_key()), importing.ca.leaf("mx1.example.org")
    certbot_lineage(importing.tree, importing.ca, "mx1-rsa", rsa)
    certbot_lineage(importing.tree, importing.ca, "mx1-ecdsa", ec)
    document = importing.json("certbot")
    assert rows(document) == {"mx1": "imported"}
    assert document["fragment"] == ""
    pins = [key["key_sha256"] for key in importing.world.status()["mx1"]["current"]["keys"]]
    assert pins == [pin(rsa.key), pin(ec.key)]
    importing.world.done("run")
    assert importing.world.steps() == []


def test_no_tree(importing: ImportWorld) -> None:
    """A directory of something else is refused with what was looked for."""
    ran = importing("certbot")
    assert ran.code == 1
    assert "is no tree of certbot: it has no renewal/*.conf" in ran.err
