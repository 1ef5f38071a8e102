"""First contact: what is shown and asked, what gets into the configuration, and what keeps it out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certctl import config
from certctl.peers.verify import fingerprint
from tests.support.world import World
from tests.unit.peers_world import NEXTHOP, Signer, b64, document, pin


class Contact:
    """A host that knows no peer yet, and a feed."""

    def __init__(self, root: Path, world: World) -> None:
        self.world, self.signer = world, Signer()
        self.feed, self.map = root / "feed.jws", root / "tls_policy"
        self.config = Path(world.path)
        world.configure('[certificate.mx1]\nnames = ["mx1.example.org"]\n# the end, without a newline')
        self.publish()

    def publish(self, **other: object) -> None:
        self.feed.write_bytes(self.signer.sign(json.dumps(document(**other)).encode()))  # type: ignore[arg-type]

    def add(self, *more: str, code: int = 0) -> tuple[str, str]:
        more = more if "--nexthop" in more else (*more, "--nexthop", NEXTHOP)
        ran = self.world("peers", "add", str(self.feed), "--map", str(self.map), "--hook", "reload", *more)
        assert ran.code == code, ran
        return ran.out, ran.err


@pytest.fixture
def contact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contact:
    root = tmp_path / "world"
    root.mkdir()
    return Contact(root, World(root, monkeypatch))


def test_added_and_followed(contact: Contact) -> None:
    """--yes: the fingerprint is shown, the table appended, the rest of the file kept, the map written."""
    before = contact.config.read_text()
    contact.config.chmod(0o640)
    out, err = contact.add("--yes")
    assert fingerprint(contact.signer.text) in err
    assert '[peer."mx.peer.example"]' in out
    assert contact.config.read_text().startswith(before.rstrip())
    assert contact.config.stat().st_mode & 0o7777 == 0o640
    peer = config.load(contact.world.path).peers["mx.peer.example"]
    assert (peer.key, peer.nexthops, peer.hooks) == (contact.signer.text, (NEXTHOP,), ("reload",))
    assert f"{NEXTHOP} fingerprint match={pin(1)} match={pin(2)}" in contact.map.read_text()
    contact.world.done("run")


def test_with_the_key_that_was_told(contact: Contact) -> None:
    """--key asks nothing, and refuses any other key."""
    before = contact.config.read_text()
    _, err = contact.add("--key", Signer().text, code=1)
    assert "another key than --key says" in err
    assert contact.config.read_text() == before
    contact.add("--key", contact.signer.text)
    assert contact.map.exists()


def test_nobody_to_be_asked(contact: Contact) -> None:
    """Without a terminal nothing is added unless --yes or --key says that the key was compared."""
    before = contact.config.read_text()
    _, err = contact.add(code=2)
    assert "nobody is there to compare the fingerprint" in err
    assert contact.config.read_text() == before
    assert not contact.map.exists()


@pytest.mark.parametrize(("answer", "added"), [("y", True), ("n", False), ("", False), ("yes", True)])
def test_the_question(contact: Contact, answer: str, added: bool) -> None:
    """On a terminal the fingerprint is shown first, under -q, too, and only a yes adds the peer."""
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "certctl",
        "--config",
        contact.world.path,
        "peers",
        "add",
        str(contact.feed),
    ]
    command += ["--map", str(contact.map), "--hook", "reload", "--nexthop", NEXTHOP, "-q"]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    out, _ = process.communicate(timeout=30)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:
            break
    os.close(ours)
    assert fingerprint(contact.signer.text).encode() in said
    assert b"[y/N]" in said
    assert process.returncode == (0 if added else 1)
    assert ("mx.peer.example" in config.load(contact.world.path).peers) == added
    assert contact.map.exists() == added
    assert bool(out) == added


def test_twice(contact: Contact) -> None:
    """A peer that is there already is not added again; another name makes it another peer."""
    contact.add("--yes")
    before = contact.config.read_text()
    _, err = contact.add("--yes", code=2)
    assert "there is a peer mx.peer.example already" in err
    assert contact.config.read_text() == before
    _, err = contact.add("--yes", "--name", "again", code=2)  # its next-hop has a line in this map already
    assert "is a next-hop of" in err
    assert contact.config.read_text() == before
    contact.add("--yes", "--name", "again", "--nexthop", f"{NEXTHOP}:587")
    assert set(config.load(contact.world.path).peers) == {"mx.peer.example", "again"}


@pytest.mark.parametrize(
    "feed", ["http://192.0.2.1/x", "ftp://a.example/x", "https://user:pw@a.example/", ""]
)
def test_places_that_are_no_feeds(contact: Contact, feed: str) -> None:
    """Only https, http on loopback, and files: the rest is a mistake of usage."""
    assert contact.world("peers", "add", feed, "--yes").code == 2


def test_garbage(contact: Contact) -> None:
    """What is no feed, or is not signed by the key that it shows, is not added."""
    before = contact.config.read_text()
    whole = contact.feed.read_bytes()
    for data in (b"", b"<html>", whole[:-10] + b"AAAAAAAAAA", whole.replace(b".", b"", 1)):
        contact.feed.write_bytes(data)
        contact.add("--yes", code=1)
    assert contact.config.read_text() == before
    assert not contact.map.exists()


@pytest.mark.parametrize(
    "name", ['a"b', "../../etc", "x]\n[hook.evil]\ncommand = [1]", "*.peer.example", "\u00e9.example"]
)
def test_names_in_the_feed_cannot_write_toml(contact: Contact, name: str) -> None:
    """Whatever the feed calls itself, nothing but its own table gets into the configuration."""
    told = document()
    told["certificates"][0] |= {"names": [name], "nexthops": [NEXTHOP]}
    contact.publish(certificates=told["certificates"])
    ran = contact.world(
        "peers", "add", str(contact.feed), "--map", str(contact.map), "--hook", "reload", "--yes",
        "--nexthop", NEXTHOP,
    )  # fmt: skip
    spec = config.load(contact.world.path)
    assert set(spec.hooks) == {"reload"} or not spec.peers
    assert len(spec.peers) == (1 if ran.code == 0 else len(spec.peers))
    assert set(spec.certificates) == {"mx1"}


def test_a_key_of_another_curve(contact: Contact) -> None:
    """A feed that carries a key of another curve is refused in words."""
    other = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    x, y = (b64(number.to_bytes(48, "big")) for number in (other.x, other.y))
    jwk = {"crv": "P-384", "kty": "EC", "x": x, "y": y}
    contact.feed.write_bytes(contact.signer.sign(json.dumps(document()).encode(), jwk=jwk))
    _, err = contact.add("--yes", code=1)
    assert "no P-256 key" in err


def test_json(contact: Contact) -> None:
    """--json: one document on standard output, the fingerprint on standard error."""
    ran = contact.world("--json", "peers", "add", str(contact.feed), "--map", str(contact.map), "--yes",
                        "--hook", "reload", "--nexthop", NEXTHOP)  # fmt: skip
    assert ran.code == 0
    assert ran.document["peer"] == "mx.peer.example"
    assert ran.document["peers"][0]["state"] == "ok"
