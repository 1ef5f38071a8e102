"""init asks what peers hold of a certificate that it takes over, and is careful where nobody answers."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.import_trees import certbot_lineage
from tests.unit.init_host import MX, Host
from tests.unit.init_world import install
from tests.unit.x509_make import Made


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    install(tmp_path / "bin", monkeypatch)
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def served(host: Host) -> Made:
    """A bundle that Postfix serves, which nobody renews."""
    here = host.put("postfix-chain")
    made = host.ca.leaf(MX)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, made)
    return made


def test_careful(host: Host, served: Made) -> None:
    """Without an answer the certificate is pinned: renewals are announced, and held."""
    ran = host.init()
    assert ran.code == 0, ran
    cert = host.world.spec.certificates[MX]
    assert (cert.pin, cert.hold_down) == ("certificate", 7 * 86400)
    assert 'write pin = "key"' in " ".join(Path(host.world.path).read_text().split("\n# ")).replace("  ", " ")
    assert "a renewal changes what is pinned, so it is announced and held" in ran.out


def test_a_renewal_that_doctor_advises(host: Host, served: Made) -> None:
    """Told to renew at once, certctl announces the certificate, and serves the old one meanwhile."""
    host.init()
    host.pass_()
    bundle = Path(host.world.spec.certificates[MX].files[0].path)
    before = bundle.read_bytes()
    text = Path(host.world.path).read_text().replace('issuer = "by-hand"', 'issuer = "self-signed"')
    Path(host.world.path).write_text(text)
    ran = host.world("renew", MX)
    assert "hold-down 7d" in ran.out, ran
    assert bundle.read_bytes() == before


@pytest.mark.parametrize("digest", ["md5", "sha256"])
def test_fingerprints_are_shown(host: Host, served: Made, digest: str) -> None:
    """Both fingerprints are shown, in the digests that Postfix has configured here, and SHA-256."""
    main = Path(host.tmp_path, "postfix-chain", "postconf-x")
    lines = [line for line in main.read_text().splitlines() if "_fingerprint_digest" not in line]
    main.write_text("\n".join([*lines, "smtp_tls_fingerprint_digest = md5"]) + "\n")
    shown = [
        (one["of"], one["fingerprint"])
        for one in host.init("--json").document["taken"][0]["fingerprints"]
        if one["digest"] == digest
    ]
    assert [of for of, _ in shown] == ["key", "certificate"]
    assert all(len(found) == {"md5": 47, "sha256": 95}[digest] for _, found in shown)


@pytest.mark.parametrize("pin", ["key", "certificate"])
def test_told(host: Host, served: Made, pin: str) -> None:
    """--pin says what peers hold."""
    assert host.done("--pin", pin)[MX].pin == pin


def test_renewed_by_a_tool(host: Host) -> None:
    """What certbot renewed every few weeks is pinned by its key, if at all."""
    here = host.put("postfix-chain")
    tree = host.tmp_path / "letsencrypt"
    made = host.ca.leaf(MX)
    certbot_lineage(tree, host.ca, MX, made)
    for name in ("mx1.pem", "inside.pem", "tenant.pem"):
        host.bundle(here / name, host.ca.leaf("other.example.org"))
    main = here / "postconf-x"
    live = tree / "live" / MX
    main.write_text(
        main.read_text().replace(str(here / "mx1.pem"), f"{live}/privkey.pem {live}/fullchain.pem")
    )
    found = host.done()
    assert found[MX].pin == "key"
    assert found["other.example.org"].pin == "certificate"


@pytest.mark.parametrize(("answer", "pin"), [("key\n", "key"), ("\n", "certificate")])
def test_asked(host: Host, served: Made, answer: str, pin: str) -> None:
    """At a terminal the fingerprints are shown and the question is asked before anything is written."""
    parent, child = pty.openpty()
    os.write(parent, answer.encode())
    command = [sys.executable, "-m", "certctl", "init", "--dir", str(host.world.root), *host.servers]
    done = subprocess.run(command, stdin=child, stderr=child, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0
    asked = os.read(parent, 65536).decode()
    os.close(parent)
    os.close(child)
    assert "certificate/key; default certificate" in asked
    assert served.pin in asked
    assert host.world.spec.certificates[MX].pin == pin
