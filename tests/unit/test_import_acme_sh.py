"""import acme.sh."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.issuers.acme import accountfile
from tests.unit.import_trees import (
    ACCOUNT_URL,
    EMAIL,
    acme_sh_account,
    acme_sh_base64,
    acme_sh_certificate,
    rsa_key,
    traditional,
    write,
)
from tests.unit.import_world import ImportWorld, loads, make_world, rows
from tests.unit.x509_make import ec_key, pin


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportWorld:
    return make_world(tmp_path, monkeypatch)


def test_rsa_and_ecc_become_one(importing: ImportWorld) -> None:
    """NAME and NAME_ecc are one certificate with two keys, the newer kind first."""
    tree, ca = importing.tree, importing.ca
    rsa, ecc = ca.leaf("mx1.example.org", key=rsa_key()), ca.leaf("mx1.example.org")
    acme_sh_certificate(tree, ca, "mx1.example.org", rsa, {})
    acme_sh_certificate(tree, ca, "mx1.example.org", ecc, {}, ecc=True)
    spec = importing.added("acme.sh")
    assert spec.certificates["mx1.example.org"].keys == ("ecdsa-p256", "rsa-2048")
    keys = importing.world.status()["mx1.example.org"]["current"]["keys"]
    assert [key["key_sha256"] for key in keys] == [pin(ecc.key), pin(rsa.key)]
    importing.world.done("run")
    assert importing.world.steps() == []


def test_ecc_alone_and_other_names(importing: ImportWorld) -> None:
    """An ECC directory may stand alone; twins for other names stay two certificates."""
    tree, ca = importing.tree, importing.ca
    acme_sh_certificate(tree, ca, "a.example.org", ca.leaf("a.example.org"), {}, ecc=True)
    acme_sh_certificate(tree, ca, "b.example.org", ca.leaf("b.example.org", key=rsa_key()), {})
    other = ca.leaf("b.example.org", "www.b.example.org")
    acme_sh_certificate(tree, ca, "b.example.org", other, {}, ecc=True, alt=["www.b.example.org"])
    spec = importing.added("acme.sh")
    assert {name: cert.keys for name, cert in spec.certificates.items()} == {
        "a.example.org": ("ecdsa-p256",),
        "b.example.org": ("rsa-2048",),
        "b.example.org-2": ("ecdsa-p256",),
    }


@pytest.mark.parametrize(
    ("conf", "wanted"),
    [
        ({"Le_Webroot": "/var/www/mail"}, {"challenge": "http-01", "webroot": "/var/www/mail"}),
        ({"Le_Webroot": "no", "Le_HTTPPort": "88"}, {"listen": ("0.0.0.0:88",)}),
        ({"Le_Webroot": "alpn"}, {"challenge": "tls-alpn-01"}),
        ({"Le_Webroot": "dns_cf"}, {"challenge": "dns-01", "dns": "cloudflare"}),
        ({"Le_Webroot": "dns_nsupdate"}, {"challenge": "dns-01", "dns": "rfc2136"}),
        ({"Le_Webroot": "nginx:"}, {"challenge": "http-01"}),
        ({"Le_API": "https://acme.zerossl.com/v2/DV90"}, {"directory": "https://acme.zerossl.com/v2/DV90"}),
        ({"Le_Preferred_Chain": acme_sh_base64("ISRG Root X1")}, {"preferred_chain": "ISRG Root X1"}),
    ],
)
def test_renewal_settings(importing: ImportWorld, conf: dict[str, str], wanted: dict[str, object]) -> None:
    """Whatever acme.sh renewed by comes out as an issuer that loads and says the same."""
    acme_sh_certificate(
        importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), conf
    )
    spec = importing.added("acme.sh")
    acme = spec.issuers[spec.certificates["a.example.org"].issuers[0]].acme
    assert acme is not None
    assert {name: getattr(acme, name) for name in wanted} == wanted


def test_account_and_secrets(importing: ImportWorld) -> None:
    """The account goes to its issuer; credentials of DNS providers are not shown."""
    key = ec_key()
    acme_sh_certificate(
        importing.tree,
        importing.ca,
        "a.example.org",
        importing.ca.leaf("a.example.org"),
        {"Le_Webroot": "dns_cf"},
    )
    acme_sh_account(importing.tree, key)
    ran = importing("acme.sh", "--output", importing.world.path)
    assert "account of letsencrypt: imported" in ran.err
    text = Path(importing.world.path).read_text()
    assert "'secret'" not in text + ran.err
    assert f'email = "{EMAIL}"' in text
    registration = accountfile.read_registration(f"{importing.world.layout.issuers}/letsencrypt")
    assert registration is not None
    assert registration.url == ACCOUNT_URL


def test_installed_files_and_reload_command(importing: ImportWorld, tmp_path: Path) -> None:
    """Where acme.sh put copies for servers, certctl may write them instead: ready to be switched on."""
    conf = {
        "Le_RealKeyPath": "/etc/nginx/tls/a.key",
        "Le_RealFullChainPath": "/etc/nginx/tls/a.pem",
        "Le_ReloadCmd": acme_sh_base64("systemctl reload nginx && echo 'done'"),
    }
    acme_sh_certificate(
        importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), conf
    )
    text = importing("acme.sh").out
    assert "#     systemctl reload nginx && echo 'done'\n" in text
    lines = [line[1:] if line[:1] == "#" and line[:2] != "# " else line for line in text.splitlines()]
    files = loads(tmp_path, "\n".join(lines)).certificates["a.example.org"].files
    assert [(file.path, file.parts, file.hooks) for file in files] == [
        ("/etc/nginx/tls/a.key", ("key",), ("nginx",)),
        ("/etc/nginx/tls/a.pem", ("cert", "chain"), ("nginx",)),
    ]


def test_never_issued_and_odd_keys(importing: ImportWorld) -> None:
    """A domain without a certificate, an encrypted key and a curve that certctl has not are refused alone."""
    from cryptography.hazmat.primitives.asymmetric import ec

    tree, ca = importing.tree, importing.ca
    for name in ("good", "never", "locked"):
        acme_sh_certificate(tree, ca, f"{name}.example.org", ca.leaf(f"{name}.example.org"), {})
    for part in ("never.example.org.cer", "ca.cer", "fullchain.cer"):
        (tree / "never.example.org" / part).unlink()
    write(tree / "locked.example.org/locked.example.org.key", traditional(rsa_key(), b"secret"))
    large = ca.leaf("large.example.org", key=ec.generate_private_key(ec.SECP521R1()))
    acme_sh_certificate(tree, ca, "large.example.org", large, {}, ecc=True)
    ran = importing("acme.sh")
    assert ran.code == 1
    assert "error: never.example.org: " in ran.err
    assert "has no certificate: it was never issued" in ran.err
    assert "the private key is encrypted" in ran.err
    assert "its key is ecdsa-secp521r1" in ran.err
    assert "good.example.org: imported" in ran.err


def test_way_to_switch_off(importing: ImportWorld) -> None:
    """At the end it says how its cron line goes."""
    acme_sh_certificate(importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), {})
    assert f"{importing.tree}/acme.sh --uninstall-cronjob" in importing("acme.sh").err


def test_other_certificate_home(importing: ImportWorld, tmp_path: Path) -> None:
    """CERT_HOME of account.conf is where the certificates are then."""
    acme_sh_account(importing.tree, ec_key())
    conf = importing.tree / "account.conf"
    conf.write_text(f"{conf.read_text()}CERT_HOME='{tmp_path / 'certs'}'\n")
    acme_sh_certificate(
        tmp_path / "certs", importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), {}
    )
    assert rows(importing.json("acme.sh")) == {"a.example.org": "imported"}


def test_wildcards_have_an_issuer_of_their_own(importing: ImportWorld) -> None:
    """A wildcard whose challenge is not known gets dns-01; the others keep theirs."""
    for name in ("a.example.org", "*.example.org"):
        acme_sh_certificate(
            importing.tree, importing.ca, name, importing.ca.leaf(name), {"Le_Webroot": "stateless"}
        )
    spec = importing.added("acme.sh")
    found = {name: spec.issuers[cert.issuers[0]].acme for name, cert in spec.certificates.items()}
    assert {name: acme.challenge for name, acme in found.items() if acme} == {
        "wildcard.example.org": "dns-01",
        "a.example.org": "http-01",
    }


def test_account_at_a_port(importing: ImportWorld) -> None:
    """acme.sh leaves the port of a CA out of the directory's name."""
    conf = {"Le_API": "https://ca.example.net:9000/acme/dir"}
    acme_sh_certificate(
        importing.tree, importing.ca, "a.example.org", importing.ca.leaf("a.example.org"), conf
    )
    acme_sh_account(importing.tree, ec_key(), "ca.example.net/acme/dir")
    assert "account of ca-example-net: imported" in importing("acme.sh", "--output", importing.world.path).err
