"""What status and announce --show say of announcements and peers: who waits for whom, and what is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "1h"
announce = ["lines", "wiki"]
require_ack = ["thumb.example.net"]
[announce.lines]
type = "policy"
path = "tls/policy"
[announce.wiki]
type = "command"
command = ["bin/tell"]
[certificate.web]
names = ["web.example.org"]
[peer.other]
feed = "other.jws"
key = "p256:AAAA"
nexthops = ["[other.example.net]"]
map = "tls/map"
hooks = ["reload"]
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG)
    tell(made, 75, "the wiki has not been read by thumb.example.net")
    return made


def tell(world: World, status: int, text: str) -> None:
    """What the announcer's program says from now on."""
    path = world.root / "bin" / "tell"
    path.write_text(f"#!/bin/sh\ncat >/dev/null\necho {text}\nexit {status}\n")
    path.chmod(0o755)


def rows(world: World, *names: str) -> dict[str, Any]:
    document = world.done("status", "--json", *names).document
    return {row["name"]: row for row in document["announcers"] + document["peers"]}


def test_what_each_waits_for(world: World) -> None:
    """status names the announcer that lags, why, when it is asked again, and who has not acknowledged."""
    assert world("run").code == 1  # the peer's feed is not there
    found = rows(world)
    assert found["lines"]["state"] == "ok"
    assert found["wiki"]["state"] == "unseen"
    assert found["wiki"]["unseen"] == {"mx1": "the wiki has not been read by thumb.example.net"}
    assert found["other"]["state"] == "failing"
    assert "other.jws" in found["other"]["last_error"]
    row = world.status()["mx1"]
    assert (row["not_seen_through"], row["not_acknowledged_by"]) == (["wiki"], ["thumb.example.net"])
    world.done("rotate", "mx1")
    told = world.done("status").out
    assert "wiki       command  unseen" in told
    assert "  wiki: the wiki has not been read by thumb.example.net (asked again in" in told
    assert "  mx1: rotation is held until the next key has been seen through wiki" in told
    assert "  mx1: the next key is not acknowledged by thumb.example.net (certctl ack mx1 PEER)" in told
    assert "  other: " in told

    tell(world, 0, "read by all")
    world.later(minutes=10)
    world.done("ack", "mx1", "thumb.example.net")
    row = world.status()["mx1"]
    assert (row["not_seen_through"], row["not_acknowledged_by"]) == ([], [])
    told = world.done("status", "mx1").out
    assert "asked again" not in told
    assert "not acknowledged" not in told
    assert "rotation is held until 20" in told


def test_only_what_was_asked_for(world: World) -> None:
    """With names, status shows the announcers of these certificates and no peers; without any, no tables."""
    world("run")
    assert list(rows(world, "mx1")) == ["lines", "wiki"]
    assert list(rows(world, "web")) == []
    world.configure('[certificate.web]\nnames = ["web.example.org"]')
    assert "ANNOUNCER" not in world.done("status").out
    assert "PEER" not in world.done("status").out


def test_retracted_pins_are_not_unseen(world: World) -> None:
    """announce --show calls previous pins retracted once they are, and only where they are."""
    tell(world, 0, "read by all")
    world("run")
    world("ack", "mx1", "thumb.example.net")
    world.later(hours=1)
    world("rotate", "mx1")
    slots = world.done("announce", "--show", "--json").document["certificates"][0]["slots"]
    assert slots["previous"]["retracted"] == []
    assert None not in slots["previous"]["seen"].values()
    world.later(hours=1)
    assert [line for line in _previous(world) if line.endswith("retracted")] == []
    world("run")
    slots = world.done("announce", "--show", "--json").document["certificates"][0]["slots"]
    assert slots["previous"]["retracted"] == ["lines", "wiki"]
    assert len([line for line in _previous(world) if line.endswith("retracted")]) == 2
    assert slots["current"]["retracted"] == slots["next"]["retracted"] == []


def _previous(world: World) -> list[str]:
    return [line for line in world.done("announce", "--show").out.splitlines() if "  previous #" in line]
