"""init with servers to fit: what it writes loads and keeps their keys, and what cannot be kept is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.dhparam import ffdhe
from certctl.dhparam.pem import encode
from certctl.planning.spec import FileSpec
from tests.unit.import_trees import certbot_account, certbot_lineage, encrypted, rsa_key, write
from tests.unit.init_host import MX, Host, pin
from tests.unit.init_world import install
from tests.unit.x509_make import make


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    install(tmp_path / "bin", monkeypatch)
    return Host(tmp_path, monkeypatch)


def test_one_bundle(host: Host) -> None:
    """The path that is read is kept, with hook and probes; the key in it stays, from the first pass on."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX, "mail.example.org")
    host.bundle(here / "mx1.pem", made)
    host.bundle(here / "inside.pem", host.ca.leaf("inside.example.org"))
    host.bundle(here / "tenant.pem", host.ca.leaf("a.example.net", "mail.example.net"))
    found = host.done()
    certificate = found[MX]
    assert certificate.names == (MX, "mail.example.org")
    assert certificate.issuers == ("by-hand",)
    assert certificate.files == (FileSpec(f"{here}/mx1.pem", hooks=("postfix",)),)
    assert certificate.probe == ("smtp://127.0.0.1:25",)
    assert certificate.hold_down > 0
    assert found["inside.example.org"].probe == ("smtps://127.0.0.1:10465",)
    tenant = found["a.example.net"]
    assert tenant.files == (FileSpec(f"{here}/tenant.pem", hooks=("postmap-sni", "postfix")),)
    name = "?sni=mail.example.net"
    assert tenant.probe == (f"smtp://127.0.0.1:25{name}", f"smtps://127.0.0.1:10465{name}")
    assert host.world.spec.hooks["postmap-sni"].command[0] == "hook:postmap"
    # Nothing new is made: peers may hold the certificates themselves.
    assert {step["kind"] for step in host.world.steps()} == {"write", "hook"}
    assert host.world.spec.dhparams == {}
    host.pass_()
    assert pin(here / "mx1.pem") == made.pin
    assert host.world.status()[MX]["current"]["keys"][0]["key_sha256"] == made.pin


def test_pairs(host: Host) -> None:
    """RSA and ECDSA, key and certificate apart: one certificate in four files, each its own part."""
    here = host.put("postfix-pairs")
    made = {"rsa": host.ca.leaf(MX, key=rsa_key()), "ec": host.ca.leaf(MX)}
    for name, one in made.items():
        write(here / f"{name}.key", one.key_pem, 0o640)
        write(here / f"{name}.crt", one.pem + host.ca.middle.pem, 0o644)
    write(here / "dh2048.pem", encode(ffdhe.group(2048)))
    (certificate,) = host.done().values()
    assert set(certificate.keys) == {"rsa-2048", "ecdsa-p256"}
    found = [(os.path.basename(f.path), f.parts, f.algorithm, f.mode) for f in certificate.files]
    assert found == [
        ("rsa.key", ("key",), "rsa-2048", 0o640),
        ("rsa.crt", ("cert", "chain"), "rsa-2048", 0o644),
        ("ec.key", ("key",), "ecdsa-p256", 0o640),
        ("ec.crt", ("cert", "chain"), "ecdsa-p256", 0o644),
    ]
    assert certificate.probe == ("smtp://192.0.2.25:25", "smtp://[::1]:2526")
    (dh,) = host.world.spec.dhparams.values()
    assert (dh.path, dh.bits, dh.source, dh.hooks) == (f"{here}/dh2048.pem", 2048, "ffdhe", ("postfix",))
    host.pass_()
    for name, one in made.items():
        assert pin(here / f"{name}.key") == one.pin


def test_servers_that_share_a_key(host: Host) -> None:
    """Postfix and Dovecot with one key in files of their own: one certificate, each file with its hook."""
    mail, boxes = host.put("postfix-chain"), host.put("dovecot-2.3")
    made, tenant = host.ca.leaf(MX), host.ca.leaf("mail.example.net")
    for path in (mail / "mx1.pem", mail / "inside.pem"):
        host.bundle(path, made)
    write(boxes / "imap.key", made.key_pem, 0o600)
    write(boxes / "imap.crt", made.pem + host.ca.middle.pem)
    for path in (mail / "tenant.pem", boxes / "tenant.pem"):
        host.bundle(path, tenant)
    found = host.done()
    assert list(found) == [MX, "mail.example.net"]
    assert [(file.path, file.hooks) for file in found[MX].files] == [
        (f"{mail}/mx1.pem", ("postfix",)),
        (f"{mail}/inside.pem", ("postfix",)),
        (f"{boxes}/imap.key", ("dovecot",)),
        (f"{boxes}/imap.crt", ("dovecot",)),
    ]
    assert len(found[MX].probe) == 2 + 3
    assert "imaps://192.0.2.25:993?sni=mail.example.net" not in found["mail.example.net"].probe
    assert "imaps://192.0.2.25:993" in found["mail.example.net"].probe


def test_nothing_configured(host: Host) -> None:
    """A new certificate for the host's name, and the lines to type; probes wait for them."""
    here = host.put("postfix-bare")
    ran = host.init()
    (certificate,) = host.world.spec.certificates.values()
    bundle = f"{here}/tls/{MX}.pem"
    assert certificate.names == (MX,)
    assert certificate.issuers == ("private-ca",)
    assert certificate.files == (FileSpec(bundle, hooks=("postfix",)),)
    assert certificate.probe == ()
    conf = f"postconf -c {here}"
    assert f"  {conf} -e 'smtpd_tls_chain_files = {bundle}'\n" in ran.out
    assert f"  {conf} -e smtpd_tls_security_level=may\n" in ran.out
    assert f"  postfix -c {here} reload\n" in ran.out
    text = Path(host.world.path).read_text()
    assert '\n  #"smtp://127.0.0.1:25",\n' in text
    assert "[dhparam" not in text
    Path(host.world.path).write_text(text.replace('\n  #"', '\n  "'))
    (certificate,) = host.world.spec.certificates.values()
    assert certificate.probe == ("smtp://127.0.0.1:25", "smtp://127.0.0.1:587")


def test_tls_that_is_switched_off(host: Host) -> None:
    """The right bundle, and STARTTLS not offered: only that is to be typed, and probes wait for it."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, host.ca.leaf(f"{name[:-4]}.example.org"))
    level = "smtpd_tls_security_level ="
    for name in ("postconf-x", "postconf-xn"):
        (here / name).write_text((here / name).read_text().replace(f"{level} may", level))
    ran = host.init()
    assert f"  postconf -c {here} -e smtpd_tls_security_level=may\n  postfix -c {here} reload\n" in ran.out
    assert "chain_files" not in ran.out
    certificate = host.world.spec.certificates[MX]
    assert [file.path for file in certificate.files] == [f"{here}/mx1.pem"]
    assert certificate.probe == ()


def test_tenants_of_nginx(host: Host) -> None:
    """Names by server_name; files that are not there yet are made; the catch-all gets the first of them."""
    here = host.put("nginx")
    for name in ("snakeoil.pem", "snakeoil.key"):
        write(here / name, "placeholder\n")
    ran = host.init()
    site, mail = host.world.spec.certificates.values()
    assert site.names == ("www.example.org", "example.org")
    assert [file.path for file in site.files] == [
        f"{here}/www.key",
        f"{here}/www.crt",
        f"{here}/tls/www.example.org.pem",
    ]
    assert site.probe == ("https://127.0.0.1:8443",)
    assert (mail.names, mail.probe) == (("imap.example.org",), ("imap://127.0.0.1:143",))
    assert [file.path for file in mail.files] == [f"{here}/imap.pem"]
    bundle = f"{here}/tls/www.example.org.pem"
    where = f"# in {here}/sites-enabled/default, the server of line 1:"
    assert f"  {where} ssl_certificate {bundle}; ssl_certificate_key {bundle};\n" in ran.out
    (dh,) = host.world.spec.dhparams.values()
    assert (dh.path, dh.bits, dh.source, dh.hooks) == (f"{here}/dh.pem", 2048, "generate", ("nginx",))


def test_bundles_of_haproxy(host: Host) -> None:
    """NAME.rsa and NAME.ecdsa are one certificate, each file with its algorithm; all ports are proved."""
    here = host.put("haproxy")
    site, rsa, ecdsa = host.ca.leaf("www.example.org"), host.ca.leaf(MX, key=rsa_key()), host.ca.leaf(MX)
    for name, made in (("site.pem", site), ("mx.rsa", rsa), ("mx.ecdsa", ecdsa)):
        host.bundle(here / name, made)
    found = host.done()
    assert found["www.example.org"].probe == ("https://127.0.0.1:443",)
    assert [(os.path.basename(f.path), f.algorithm) for f in found[MX].files] == [
        ("mx.rsa", "rsa-2048"),
        ("mx.ecdsa", "ecdsa-p256"),
    ]
    assert found[MX].probe == ("imaps://192.0.2.25:993", "imaps://[::1]:993")
    assert host.world.spec.hooks["haproxy"].command[-2:] == ("--pid-file", f"{here}/haproxy.pid")


def test_placeholder(host: Host) -> None:
    """A package's placeholder is not kept, and who pins it is thought of; its files are not written."""
    here = host.put("postfix-debian")
    made = make(MX, names=[MX], key=rsa_key())
    write(here / "ssl-cert-snakeoil.pem", made.pem)
    write(here / "ssl-cert-snakeoil.key", made.key_pem, 0o640)
    ran = host.init()
    (certificate,) = host.world.spec.certificates.values()
    assert [file.path for file in certificate.files] == [f"{here}/tls/{MX}.pem"]
    assert "placeholder that a package made; not taken over: who pins it needs the new pins" in ran.out
    host.pass_()
    assert pin(here / "ssl-cert-snakeoil.key") == made.pin


def test_files_that_are_not_there_yet(host: Host) -> None:
    """What is configured and missing is made where it is looked for, in the parts that its names ask for."""
    here = host.put("dovecot-2.3")
    ran = host.init("imap.example.org")
    found = host.world.spec.certificates
    assert found["imap.example.org"].files == (
        FileSpec(f"{here}/imap.key", ("key",), hooks=("dovecot",)),
        FileSpec(f"{here}/imap.crt", ("cert", "chain"), mode=0o644, hooks=("dovecot",)),
    )
    assert found["mail.example.net"].files == (FileSpec(f"{here}/tenant.pem", hooks=("dovecot",)),)
    assert "make them use the files" not in ran.out


UNFIT = {
    "mismatch": "none of 1 certificates is for the key",
    "encrypted": "encrypted",
    "too short": "its key is rsa-1024",
    "no key": "there is no private key",
    "a web page": "holds no PEM",
}


@pytest.mark.parametrize("fault", UNFIT)
def test_what_cannot_be_taken_over(host: Host, fault: str) -> None:
    """The reason is said, the file stays as it is, and a bundle of its own goes beside it."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    data = {
        "mismatch": host.ca.leaf(MX).key_pem + made.pem,
        "encrypted": encrypted(made.key) + made.pem,
        "too short": b"",
        "no key": made.pem,
        "a web page": b"<html></html>\n",
    }[fault]
    if fault == "too short":
        short = host.ca.leaf(MX, key=rsa_key(1024))
        data = short.key_pem + short.pem
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        write(here / name, data, 0o600)
    ran = host.init()
    assert ran.code == 0, ran
    assert UNFIT[fault] in ran.out
    assert f"smtpd_tls_chain_files = {here}/tls/{MX}.pem" in ran.out
    host.pass_()
    assert (here / "mx1.pem").read_bytes() == data


def test_a_name_that_cannot_be_configured(host: Host) -> None:
    """A certificate for a name with an underscore is left out and named; the others are fitted."""
    here = host.put("postfix-chain")
    host.bundle(here / "mx1.pem", host.ca.leaf(MX))
    host.bundle(here / "inside.pem", host.ca.leaf("in_side.example.org"))
    host.bundle(here / "tenant.pem", host.ca.leaf("mail.example.net"))
    ran = host.init()
    assert ran.code == 0
    assert f"left out: {here}/inside.pem: it has a name that cannot be configured" in ran.out
    assert list(host.world.spec.certificates) == [MX, "mail.example.net"]


def test_a_directory_where_a_file_belongs(host: Host) -> None:
    """What is in a directory that is named by mistake is not taken for the server's."""
    here = host.put("postfix-chain")
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        (here / name).mkdir()
        host.bundle(here / name / "key.pem", host.ca.leaf(MX))
    ran = host.init()
    assert f"{here}/mx1.pem is a directory, where a file is expected" in ran.out
    assert host.world.spec.certificates[MX].issuers == ("private-ca",)


def test_certbot(host: Host) -> None:
    """What certbot renews goes on by its CA with the same key, in a file of certctl's; certbot is to stop."""
    here = host.put("postfix-chain")
    tree, made = host.tmp_path / "letsencrypt", host.ca.leaf(MX)
    certbot_lineage(tree, host.ca, MX, made)
    certbot_account(tree, rsa_key())
    live = f"{tree}/live/{MX}"
    for name in ("postconf-x", "postconf-xn"):
        said = (here / name).read_text()
        (here / name).write_text(said.replace(f"{here}/mx1.pem", f"{live}/privkey.pem, {live}/fullchain.pem"))
    ran = host.init()
    certificate = host.world.spec.certificates[MX]
    assert host.world.spec.issuers[certificate.issuers[0]].acme is not None
    assert certificate.files[0].path == f"{here}/tls/{MX}.pem"
    assert "smtp://127.0.0.1:25" not in certificate.probe
    assert "taken over as the account of letsencrypt: " in ran.out
    assert "so that no other tool renews them any more, whichever of these fits:\n  " in ran.out
    host.pass_()
    assert pin(here / f"tls/{MX}.pem") == made.pin


def test_a_ca_for_what_is_new(host: Host) -> None:
    """With --acme that CA signs what private-ca would; who had another CA keeps it, under its own name."""
    here = host.put("postfix-chain")
    tree, made = host.tmp_path / "letsencrypt", host.ca.leaf(MX)
    certbot_lineage(tree, host.ca, MX, made)
    certbot_account(tree, rsa_key())
    live = f"{tree}/live/{MX}"
    for name in ("postconf-x", "postconf-xn"):
        said = (here / name).read_text()
        (here / name).write_text(said.replace(f"{here}/mx1.pem", f"{live}/privkey.pem, {live}/fullchain.pem"))
    host.bundle(here / "inside.pem", host.ca.leaf("inside.example.org"))
    ran = host.init("--acme", "letsencrypt", "--agree-tos")
    assert ran.code == 0, ran
    spec = host.world.spec
    signers = {name: one.issuers for name, one in spec.certificates.items()}
    assert signers == {
        MX: ("letsencrypt",),
        "inside.example.org": ("by-hand",),
        "mail.example.net": ("letsencrypt-2",),
    }
    for name in ("letsencrypt", "letsencrypt-2"):
        acme = spec.issuers[name].acme
        assert acme is not None
        assert acme.directory == "https://acme-v02.api.letsencrypt.org/directory"


def test_names_that_are_asked_for(host: Host) -> None:
    """Names on the command line are the host's own certificate's, whose key stays; others keep theirs."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    host.bundle(here / "mx1.pem", made)
    host.bundle(here / "inside.pem", made)
    host.bundle(here / "tenant.pem", host.ca.leaf("mail.example.net"))
    found = host.done("mail.example.org", MX)
    assert [certificate.names for certificate in found.values()] == [
        ("mail.example.org", MX),
        ("mail.example.net",),
    ]
    assert host.world.status()["mail.example.org"]["current"]["keys"][0]["key_sha256"] == made.pin
