"""External account bindings: their names come along, their keys stay where they are, and that is said."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.import_trees import (
    EMAIL,
    acme_sh_account,
    acme_sh_certificate,
    certbot_lineage,
    dehydrated_certificate,
    lego_account,
    lego_certificate,
    write,
)
from tests.unit.import_world import ImportWorld, make_world
from tests.unit.x509_make import ec_key

ZEROSSL = "https://acme.zerossl.com/v2/DV90"
SECRET = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
NAME = "mx1.example.org"


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


def certbot(importing: ImportWorld) -> str:
    params = {"authenticator": "standalone", "server": ZEROSSL}
    certbot_lineage(importing.tree, importing.ca, NAME, importing.ca.leaf(NAME), params)
    options = f"# a comment\neab-kid = kid-1\neab-hmac-key = {SECRET}\neab-hmac-alg = HS384\n"
    write(importing.tree / "cli.ini", options)
    return f"eab-hmac-key of {importing.tree}/cli.ini"


def lego(importing: ImportWorld) -> str:
    lego_certificate(importing.tree, importing.ca, NAME, importing.ca.leaf(NAME))
    lego_account(importing.tree, ec_key(), host="acme.zerossl.com")
    file = importing.tree / "accounts/acme.zerossl.com" / EMAIL / "account.json"
    account = json.loads(file.read_text())
    header = json.dumps({"alg": "HS256", "kid": "kid-1", "url": f"{ZEROSSL}/newAccount"}).encode()
    protected = base64.urlsafe_b64encode(header).decode().rstrip("=")
    account["registration"]["uri"] = "https://acme.zerossl.com/v2/DV90/account/1"
    account["registration"]["body"]["externalAccountBinding"] = {"protected": protected, "payload": "e30"}
    file.write_text(json.dumps(account))
    return "lego keeps none"


def acme_sh(importing: ImportWorld) -> str:
    conf = {"Le_API": ZEROSSL}
    acme_sh_certificate(importing.tree, importing.ca, NAME, importing.ca.leaf(NAME), conf)
    acme_sh_account(importing.tree, ec_key(), "acme.zerossl.com/v2/DV90")
    file = importing.tree / "ca/acme.zerossl.com/v2/DV90/ca.conf"
    write(file, f"{file.read_text()}CA_EAB_KEY_ID='kid-1'\nCA_EAB_HMAC_KEY='{SECRET}'\n")
    return f"CA_EAB_HMAC_KEY of {file}"


def dehydrated(importing: ImportWorld) -> str:
    dehydrated_certificate(importing.tree, importing.ca, NAME, importing.ca.leaf(NAME))
    write(importing.tree / "config", f"CA=zerossl\nEAB_KID=kid-1\nEAB_HMAC_KEY={SECRET}\n")
    write(importing.tree / "domains.txt", f"{NAME}\n")
    return "EAB_HMAC_KEY of dehydrated's settings"


@pytest.mark.parametrize("tool", ["certbot", "lego", "acme.sh", "dehydrated"])
def test_binding(importing: ImportWorld, tool: str) -> None:
    """The table names the account and a place for its key; a comment says where that is, nobody shows it."""
    makers: dict[str, Callable[[ImportWorld], str]]
    makers = {"certbot": certbot, "lego": lego, "acme.sh": acme_sh, "dehydrated": dehydrated}
    where = makers[tool](importing)
    spec = importing.added(tool)
    acme = spec.issuers["zerossl"].acme
    assert acme is not None
    assert (acme.directory, acme.eab_kid) == (ZEROSSL, "kid-1")
    assert acme.eab_hmac_key_file == "/etc/certctl/eab-zerossl.key"
    assert acme.eab_algorithm == ("HS384" if tool == "certbot" else "HS256")
    text = Path(importing.world.path).read_text()
    comments = " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    assert where in comments
    assert SECRET not in text


def test_letsencrypt_has_none(importing: ImportWorld) -> None:
    """certbot's options are for all CAs; where they make no sense they are left out."""
    certbot_lineage(importing.tree, importing.ca, NAME, importing.ca.leaf(NAME))
    write(importing.tree / "cli.ini", f"eab-kid = kid-1\neab-hmac-key = {SECRET}\n")
    spec = importing.added("certbot")
    acme = spec.issuers["letsencrypt"].acme
    assert acme is not None
    assert acme.eab_kid == ""
