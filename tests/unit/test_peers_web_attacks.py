"""Web servers between a peer and this host that mean no good: the map stays as it was, to the byte."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from certctl.peers.fetch import fetch
from tests.support.world import World
from tests.unit.peers_world import CONFIG, Follower, document, pin
from tests.unit.test_peers_fetch import Answer, Server, ok, says

COUNTED = "hostile inputs"


class Web:
    """A host that has taken pins 1 and 2 from a web server, whose next answer a test chooses."""

    def __init__(self, root: Path, world: World) -> None:
        self.follower = Follower(root, world)
        self.feed = self.follower.publish(document(10))
        self.newer = self.follower.publish(document(11, 2, 3, 1))
        self.answer: Answer = ok(self.feed)
        self.server = Server(self._now)
        config = CONFIG.format(key=self.follower.signer.text)
        world.configure(config.replace('"feed.jws"', f'"{self.server.url}"'))
        world.done("peers")
        assert self.follower.pins() == [pin(1), pin(2)]

    def _now(self, connection: socket.socket, head: str) -> None:
        self.answer(connection, head)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    root = tmp_path / "world"
    root.mkdir()
    found = Web(root, World(root, monkeypatch))
    yield found
    found.server.close()


def _drip(connection: socket.socket, _: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def attacks(newer: bytes, url: str) -> dict[str, tuple[Answer, str]]:
    """What may come instead of the feed *newer* at *url*, and what is said of it."""
    longer = f"HTTP/1.1 200 OK\nContent-Length: {len(newer) + 9}"
    return {
        "slow": (_drip, "it takes longer than 0.3 s"),
        "cut short": (ok(newer[:-9]), "is no signed document"),
        "shorter than it says": (says(longer, newer), "was cut short"),
        "huge": (ok(b"x" * 1048577), "larger than 1048576 bytes"),
        "huge without a word": (says("HTTP/1.0 200 OK", b"x" * 1048577), "larger than 1048576 bytes"),
        "redirected": (
            says("HTTP/1.1 302 Found\nLocation: http://127.0.0.1:1/pins"),
            "redirects to another host, which is not followed",
        ),
        "in circles": (says(f"HTTP/1.1 302 Found\nLocation: {url}"), "redirects more than 3 times"),
        "an error page": (says("HTTP/1.1 503 Busy\nContent-Length: 0"), "503"),
    }


@pytest.mark.parametrize("name", attacks(b"", ""), ids=lambda name: name.replace(" ", "-"))
def test_refused(web: Web, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what it says gets anywhere; as soon as the feed itself is to be had, it is taken."""
    web.answer, words = attacks(web.newer, web.server.url)[name]
    defaults = fetch.__kwdefaults__
    assert defaults is not None
    with monkeypatch.context() as patch:
        patch.setitem(defaults, "timeout", 0.3 if name == "slow" else 30.0)
        assert web.follower.refused(words)
    assert web.follower.pins() == [pin(1), pin(2)]
    web.answer = ok(web.newer)
    web.follower.world.done("peers")
    assert web.follower.pins() == [pin(1), pin(2), pin(3)]


def test_replayed_by_the_server(web: Web) -> None:
    """A server that goes back to an older copy, or claims for ever that nothing is new, is not believed."""
    web.answer = ok(web.newer)
    web.follower.world.done("peers")
    web.answer = ok(web.feed)
    assert web.follower.refused("serial 10, but 11 was seen already")
    web.answer = says("HTTP/1.1 304 Not Modified")
    web.follower.world.later(days=31)
    assert web.follower.refused("expired")
