"""import lego."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.issuers.acme import accountfile
from tests.unit.import_trees import ACCOUNT_URL, EMAIL, lego_account, lego_certificate, write
from tests.unit.import_world import ImportWorld, make_world, rows
from tests.unit.x509_make import ec_key


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


@pytest.mark.parametrize("modern", [False, True])
def test_certificate_and_account(importing: ImportWorld, modern: bool) -> None:
    """Certificates come with their keys, the account from where either release of lego has it."""
    made, key = importing.ca.leaf("mx1.example.org"), ec_key()
    lego_certificate(importing.tree, importing.ca, "mx1.example.org", made)
    lego_account(importing.tree, key, modern=modern)
    spec = importing.added("lego")
    acme = spec.issuers["letsencrypt"].acme
    assert acme is not None
    assert acme.email == (EMAIL,)
    registration = accountfile.read_registration(f"{importing.world.layout.issuers}/letsencrypt")
    assert registration is not None
    assert (registration.url, registration.contact) == (ACCOUNT_URL, (f"mailto:{EMAIL}",))
    importing.world.done("run")
    assert importing.key_of("mx1.example.org") == made.pin


def test_wildcard(importing: ImportWorld) -> None:
    """lego's _.example.org gets a name that a certificate may have here."""
    lego_certificate(importing.tree, importing.ca, "_.example.org", importing.ca.leaf("*.example.org"))
    spec = importing.added("lego")
    assert spec.certificates["wildcard.example.org"].names == ("*.example.org",)


def test_unknown_server(importing: ImportWorld) -> None:
    """Of a CA of one's own only the host is known: the table says what is to be seen to."""
    made = importing.ca.leaf("mx1.example.org")
    lego_certificate(importing.tree, importing.ca, "mx1.example.org", made, host="ca.example.net:9000")
    ran = importing("lego")
    assert 'directory = "https://ca.example.net:9000/directory"' in ran.out
    assert "see that directory is right" in " ".join(ran.out.split()).replace(" # ", " ")


def test_key_made_elsewhere(importing: ImportWorld) -> None:
    """A certificate of a request (--csr) has no key here: it is refused alone."""
    for name in ("mx1.example.org", "csr.example.org"):
        lego_certificate(importing.tree, importing.ca, name, importing.ca.leaf(name))
    (importing.tree / "certificates/csr.example.org.key").unlink()
    assert rows(importing.json("lego")) == {"mx1.example.org": "imported", "csr.example.org": "refused"}


def test_damaged_account_is_no_obstacle(importing: ImportWorld) -> None:
    """A broken account.json is told, the certificates come all the same."""
    lego_certificate(importing.tree, importing.ca, "mx1.example.org", importing.ca.leaf("mx1.example.org"))
    write(importing.tree / "accounts/acme-v02.api.letsencrypt.org/me@example.org/account.json", "{")
    ran = importing("lego")
    assert ran.code == 1
    assert "account.json is no JSON" in ran.err
    assert "mx1.example.org: imported" in ran.err
