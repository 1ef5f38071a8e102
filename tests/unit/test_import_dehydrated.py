"""import dehydrated."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.issuers.acme import accountfile
from tests.unit.import_trees import (
    ACCOUNT_URL,
    dehydrated_account,
    dehydrated_certificate,
    rsa_key,
    traditional,
    write,
)
from tests.unit.import_world import ImportWorld, make_world, rows
from tests.unit.x509_make import ec_key, pin


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


def test_aliases(importing: ImportWorld) -> None:
    """Each alias of domains.txt is a certificate; what is not in it any more is left alone, by name."""
    tree, ca = importing.tree, importing.ca
    write(
        tree / "domains.txt",
        "# mine\nmx1.example.org mail.example.org > mx\n*.example.org>star\nNew.example.org\n",
    )
    dehydrated_certificate(tree, ca, "mx", ca.leaf("mx1.example.org", "mail.example.org"))
    dehydrated_certificate(tree, ca, "star", ca.leaf("*.example.org"))
    dehydrated_certificate(tree, ca, "gone.example.org", ca.leaf("gone.example.org"))
    document = importing.json("dehydrated", "--output", importing.world.path)
    assert rows(document) == {
        "mx": "imported",
        "star": "imported",
        "gone.example.org": "left alone",
        "new.example.org": "left alone",
    }
    spec = importing.world.spec
    assert spec.certificates["mx"].names == ("mx1.example.org", "mail.example.org")
    assert spec.certificates["star"].names == ("*.example.org",)


def test_config_of_debian(importing: ImportWorld, tmp_path: Path) -> None:
    """The configuration is in one directory, BASEDIR in another, variables are put in, conf.d counts."""
    tree, ca, base = importing.tree, importing.ca, tmp_path / "lib"
    write(
        tree / "config",
        f'CONFIG_D={tree}/conf.d\nBASEDIR={base}\nWELLKNOWN="${{BASEDIR}}/acme-challenges"\nDOMAINS_TXT="{tree}/domains.txt"\n',
    )
    write(tree / "conf.d/mine.sh", 'CONTACT_EMAIL="me@example.org" \nCA="letsencrypt-test"\nNOW=$(date)\n')
    write(tree / "domains.txt", "mx1.example.org\n")
    made = ca.leaf("mx1.example.org")
    dehydrated_certificate(base, ca, "mx1.example.org", made)
    spec = importing.added("dehydrated")
    acme = spec.issuers["letsencrypt-staging"].acme
    assert acme is not None
    assert acme.directory == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert acme.email == ("me@example.org",)
    assert importing.world.status()["mx1.example.org"]["current"]["keys"][0]["key_sha256"] == made.pin


def test_webroot_that_fits(importing: ImportWorld) -> None:
    """WELLKNOWN below a web server's root is that root."""
    write(importing.tree / "config", "WELLKNOWN=/var/www/html/.well-known/acme-challenge\n")
    dehydrated_certificate(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"))
    acme = importing.added("dehydrated").issuers["letsencrypt"].acme
    assert acme is not None
    assert acme.webroot == "/var/www/html"


def test_settings_of_one_certificate(importing: ImportWorld) -> None:
    """A certificate's own config counts for it alone."""
    tree, ca = importing.tree, importing.ca
    write(tree / "config", "HOOK=/etc/dehydrated/hook.sh\n")
    for name in ("a.example.org", "b.example.org"):
        dehydrated_certificate(tree, ca, name, ca.leaf(name))
    write(tree / "certs/b.example.org/config", 'CHALLENGETYPE="dns-01"\n')
    spec = importing.added("dehydrated")
    found = {name: spec.issuers[cert.issuers[0]].acme for name, cert in spec.certificates.items()}
    assert {name: acme.challenge for name, acme in found.items() if acme} == {
        "a.example.org": "http-01",
        "b.example.org": "dns-01",
    }
    assert "#     /etc/dehydrated/hook.sh deploy_cert …\n" in Path(importing.world.path).read_text()


def test_account(importing: ImportWorld) -> None:
    """The account of the CA in use goes to its issuer; a deactivated one does not."""
    dehydrated_certificate(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"))
    dehydrated_account(importing.tree, rsa_key())
    importing.added("dehydrated")
    registration = accountfile.read_registration(f"{importing.world.layout.issuers}/letsencrypt")
    assert registration is not None
    assert registration.url == ACCOUNT_URL


def test_deactivated_account(importing: ImportWorld) -> None:
    """An account that was given up stays where it is."""
    dehydrated_certificate(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"))
    dehydrated_account(importing.tree, rsa_key())
    next((importing.tree / "accounts").iterdir()).joinpath("deactivated").touch()
    assert importing.json("dehydrated")["accounts"] == []


def test_rollover_key_is_next(importing: ImportWorld) -> None:
    """A key that dehydrated made ahead, which peers may pin already, is the next generation."""
    tree, ca, ahead = importing.tree, importing.ca, ec_key()
    dehydrated_certificate(tree, ca, "a.example.org", ca.leaf("a.example.org"))
    write(tree / "certs/a.example.org/privkey.roll.pem", traditional(ahead), 0o600)
    importing.added("dehydrated")
    found = importing.world.status()["a.example.org"]["next"]
    assert found["generation"] == 2
    assert found["keys"][0]["key_sha256"] == pin(ahead)
    again = importing("dehydrated")
    assert again.code == 0
    assert importing.world.status()["a.example.org"]["next"] == found
