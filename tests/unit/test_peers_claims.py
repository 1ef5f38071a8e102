"""Next-hops that a feed claims: its own are taken, those of the rest of the world are not."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl import config
from certctl.peers.claims import is_own
from tests.support.world import Ran, World
from tests.unit.peers_world import CONFIG, Follower, Signer, document, pin
from tests.unit.test_peers_fetch import Server, ok

COUNTED = "hostile inputs"


@pytest.mark.parametrize(
    ("host", "nexthop", "own"),
    [
        ("thumb.example.net", "thumb.example.net", True),
        ("thumb.example.net", "[thumb.example.net]", True),
        ("thumb.example.net", "[thumb.example.net]:25", True),
        ("thumb.example.net", "[THUMB.Example.NET]:smtp", True),
        ("thumb.example.net", "[a.thumb.example.net]", True),
        ("thumb.example.net", "example.net", True),
        ("thumb.example.net", "[mx2.example.net]", True),
        ("thumb.example.net", "gmail.com", False),
        ("thumb.example.net", "[mx.bank.example]", False),
        ("thumb.example.net", "net", False),
        ("thumb.example.net", "[evil-example.net]", False),
        ("thumb.example.net", "[example.net.evil.example]", False),
        ("example.net", "example.net", True),
        ("example.net", "[mx.example.net]", True),
        ("example.net", "[other.net]", False),
        ("evil.co.uk", "[bank.co.uk]", False),
        ("evil.co.uk", "co.uk", False),
        ("mx.firm.co.uk", "firm.co.uk", True),
        ("mx.firm.co.uk", "[bank.co.uk]", False),
        ("mx.example.de", "example.de", True),
        ("evil.gouv.fr", "[mx.gouv.fr]", False),
        ("192.0.2.25", "[192.0.2.25]", True),
        ("192.0.2.25", "[192.0.2.26]", False),
        ("", "[mx.peer.example]", False),
        ("thumb.example.net", "", False),
    ],
)
def test_which_are_its_own(host: str, nexthop: str, own: bool) -> None:
    """At or below the feed's host or its parent domain, unless that could be a registry's."""
    assert is_own(nexthop, host) == own


class Web:
    """A host that knows no peer yet, and a web server with a feed that claims too much."""

    def __init__(self, root: Path, world: World) -> None:
        self.world, self.signer, self.map = world, Signer(), root / "tls_policy"
        world.configure('[certificate.mx1]\nnames = ["mx1.example.org"]\n')
        told = document()
        told["certificates"][0] |= {
            "names": ["localhost"],
            "nexthops": ["[localhost]", "[localhost]:25", "gmail.com", "[mx.bank.example]"],
        }
        feed = self.signer.sign(json.dumps(told).encode())
        self.server = Server(lambda connection, head: self._answer(connection, head, feed))

    def _answer(self, connection: socket.socket, head: str, feed: bytes) -> None:
        ok(feed)(connection, head)

    def add(self, *more: str) -> Ran:
        url = f"http://localhost:{self.server.port}/pins"
        return self.world("peers", "add", url, "--key", self.signer.text, "--map", str(self.map),
                          "--hook", "reload", *more)  # fmt: skip

    def nexthops(self) -> tuple[str, ...]:
        return config.load(self.world.path).peers["localhost"].nexthops


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    root = tmp_path / "world"
    root.mkdir()
    found = Web(root, World(root, monkeypatch))
    yield found
    found.server.close()


def test_only_its_own_are_taken(web: Web) -> None:
    """With the right key, too, a feed does not get mail for others: they are listed, and refused."""
    ran = web.add()
    assert ran.code == 0, ran
    assert web.nexthops() == ("[localhost]", "[localhost]:25")
    for nexthop in ("gmail.com", "[mx.bank.example]"):
        assert f"refused {nexthop}: it is not at or below localhost or its parent domain" in ran.err
        assert nexthop not in web.map.read_text()


def test_what_a_person_says_counts(web: Web) -> None:
    """--nexthop takes what the peer is known to serve, wherever its feed lies."""
    assert web.add("--nexthop", "[mx.bank.example]").code == 0
    assert web.nexthops() == ("[mx.bank.example]",)


def test_added_again(web: Web) -> None:
    """Whoever adds a peer anew says that it is to be believed, though the map still holds its pins."""
    assert web.add().code == 0
    shutil.rmtree(web.world.layout.root)
    web.world.configure('[certificate.mx1]\nnames = ["mx1.example.org"]\n')
    assert web.add().code == 0
    assert web.nexthops() == ("[localhost]", "[localhost]:25")


@pytest.mark.parametrize("said", [(), ("--nexthop", "[localhost]")])
def test_lines_by_hand_come_first(web: Web, said: tuple[str, ...]) -> None:
    """A next-hop that has a line of its own in the map is refused, before or behind certctl's lines."""
    text = "[LOCALHOST] may\n# certctl: begin\n# certctl: end\n[localhost]:25 encrypt\n"
    web.map.write_text(text)
    ran = web.add(*said)
    assert ran.code == 2
    assert "[localhost] has a line of its own" in ran.err
    assert "line 1" in ran.err
    assert not config.load(web.world.path).peers
    assert web.map.read_text() == text


def test_the_first_peer_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two peers with one next-hop in two maps the first keeps it; the second is told."""
    root = tmp_path / "world"
    root.mkdir()
    follower = Follower(root, World(root, monkeypatch))
    other = Signer()
    told = document(5, 21, 22)
    told["certificates"][0] |= {"nexthops": ["[mx.peer.example]", "[b.example]"]}
    (root / "b.jws").write_bytes(other.sign(json.dumps(told).encode()))
    follower.world.configure(
        CONFIG.format(key=follower.signer.text)
        + f'[peer."b.example"]\nfeed = "b.jws"\nkey = "{other.text}"\nmap = "b_policy"\n'
        'nexthops = ["[MX.peer.example]", "[b.example]"]\nhooks = ["reload"]\n'
    )
    follower.publish(document(1))
    ran = follower.world("run")
    assert ran.code == 1
    assert "b.example: it has next-hops of peers that were configured before it" in ran.err
    assert follower.pins() == [pin(1), pin(2)]
    assert [line for line in (root / "b_policy").read_text().splitlines() if line[0] != "#"] == [
        f"[b.example] fingerprint match={pin(21)} match={pin(22)}"
    ]
    [_, row] = follower.world.done("status", "--json").document["peers"]
    assert row["state"] == "failing"
