"""import: trees that the real certbot and dehydrated made, and the renewal of what was taken over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.issuers.acme import accountfile
from certctl.x509.certificate import certificate_facts
from certctl.x509.keys import key_facts
from tests.real.import_tools import EMAIL, certbot, dehydrated, webroot
from tests.real.servers.pebble import Pebble, pebble
from tests.real.servers.start import Start
from tests.support.world import World
from tests.unit.import_trees import digest


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "here"
    root.mkdir()
    world = World(root, monkeypatch)
    world.configure("")
    return world


@pytest.fixture
def ca(start: Start) -> Pebble:
    return start(pebble, nonce_reject=0)


def pin_of(path: str) -> str:
    return key_facts(Path(path).read_bytes()).key.sha256


def take_over(world: World, tool: str, tree: str) -> str:
    """Import into the configuration in use, with nothing of the tree written; what it said."""
    before = digest(Path(tree))
    ran = world.done("import", tool, tree, "--output", world.path)
    assert digest(Path(tree)) == before
    return ran.err


def renewed(world: World, name: str) -> bytes:
    """Run a pass, renew with the account that was taken over, and return the leaf that is served then."""
    world.done("run")
    live = Path(world.layout.live(name))
    before = certificate_facts((live / "cert.pem").read_bytes()).serial
    account = Path(world.layout.issuers).glob("*/account.json")
    registrations = [(path, path.read_text()) for path in account]
    assert registrations
    world.done("renew", name)
    leaf = (live / "cert.pem").read_bytes()
    assert certificate_facts(leaf).serial != before
    for path, text in registrations:
        # Had the CA not known the key, another account would be noted here by now.
        assert path.read_text() == text
    return leaf


def test_certbot(world: World, ca: Pebble, scratch: str) -> None:
    """Keys, account and port of two lineages; a renewal by the account keeps the key that was served."""
    hook = ["--deploy-hook", "systemctl reload postfix"]
    home = certbot(ca, scratch, "mx1.example.test", "mail.example.test", options=["--key-type", "rsa", *hook])
    certbot(ca, scratch, "web.example.test", options=["--key-type", "ecdsa"])
    said = take_over(world, "certbot", home)
    assert "account of localhost: imported" in said
    text = Path(world.path).read_text()
    assert "#     systemctl reload postfix" in text
    # certbot was told of the CA's own root by its environment, which is not on disk.
    Path(world.path).write_text(text.replace("agree_tos", f'ca_file = "{ca.ca_file}"\nagree_tos'))
    spec = world.spec
    assert spec.certificates["mx1.example.test"].keys == ("rsa-2048",)
    assert set(spec.certificates["mx1.example.test"].names) == {"mx1.example.test", "mail.example.test"}
    assert spec.certificates["web.example.test"].keys == ("ecdsa-p256",)
    for name in spec.certificates:
        leaf = renewed(world, name)
        assert certificate_facts(leaf).key.sha256 == pin_of(f"{home}/live/{name}/privkey.pem")
    assert world.steps() == []


def test_certbot_after_renewals(world: World, ca: Pebble, scratch: str) -> None:
    """After renewals the archive holds several keys: the one that live/ points at is taken."""
    for _ in range(2):
        home = certbot(ca, scratch, "mx1.example.test", options=["--force-renewal"])
    assert os.readlink(f"{home}/live/mx1.example.test/privkey.pem").endswith("privkey2.pem")
    take_over(world, "certbot", home)
    current = world.status()["mx1.example.test"]["current"]
    assert current["keys"][0]["key_sha256"] == pin_of(f"{home}/archive/mx1.example.test/privkey2.pem")


def test_dehydrated(world: World, ca: Pebble, scratch: str) -> None:
    """Aliases, account, web root and CA file are taken over: a renewal needs no change of the tables."""
    domains = "mx1.example.test mail.example.test > mx\nweb.example.test\n"
    with webroot(ca.http_port, f"{scratch}/www") as root:
        base = dehydrated(ca, scratch, root, domains, "KEY_ALGO=prime256v1\n")
        said = take_over(world, "dehydrated", base)
        assert "account of localhost: imported" in said
        spec = world.spec
        acme = spec.issuers["localhost"].acme
        assert acme is not None
        assert (acme.webroot, acme.ca_file, acme.email) == (root, ca.ca_file, (EMAIL,))
        assert set(spec.certificates) == {"mx", "web.example.test"}
        for name in spec.certificates:
            leaf = renewed(world, name)
            assert certificate_facts(leaf).key.sha256 == pin_of(f"{base}/certs/{name}/privkey.pem")
        assert world.steps() == []


def test_dehydrated_rollover_key(world: World, ca: Pebble, scratch: str) -> None:
    """The key that dehydrated has ready for its next certificate is served after certctl's rotation."""
    with webroot(ca.http_port, f"{scratch}/www") as root:
        settings = "KEY_ALGO=prime256v1\nPRIVATE_KEY_ROLLOVER=yes\n"
        base = dehydrated(ca, scratch, root, "mx1.example.test\n", settings)
        ahead = pin_of(f"{base}/certs/mx1.example.test/privkey.roll.pem")
        take_over(world, "dehydrated", base)
        assert world.status()["mx1.example.test"]["next"]["keys"][0]["key_sha256"] == ahead
        world.done("rotate", "mx1.example.test")
        assert world.status()["mx1.example.test"]["current"]["keys"][0]["key_sha256"] == ahead


def test_account_is_the_same(world: World, ca: Pebble, scratch: str) -> None:
    """Two tools, one CA: each account goes where there is none yet, and none is thrown away."""
    home = certbot(ca, scratch, "a.example.test")
    take_over(world, "certbot", home)
    kept = Path(accountfile.key_path(f"{world.layout.issuers}/localhost")).read_bytes()
    with webroot(ca.http_port, f"{scratch}/www") as root:
        base = dehydrated(ca, scratch, root, "b.example.test\n")
    said = take_over(world, "dehydrated", base)
    assert "account of localhost: left alone" in said
    assert "account of localhost-2: imported" in said
    assert Path(accountfile.key_path(f"{world.layout.issuers}/localhost")).read_bytes() == kept
