"""A feed whose key or time is wrong: never signed by a key that peers do not know, and set right in time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certctl.planning.times import parse_rfc3339
from tests.support.world import World
from tests.unit.peers_world import Signer, document
from tests.unit.test_announce_feed import CONFIG, key, verified


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host that has a feed."""
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG.format(more=""))
    made.done("run")
    return made


def test_the_state_is_gone(world: World) -> None:
    """The feed that lies there is not signed anew with another key; the pass fails and says what to type."""
    feed = world.tls / "pins.jws"
    before = feed.read_bytes()
    shutil.rmtree(Path(world.layout.root) / "announce")
    for command in (("run",), ("announce", "--key"), ("run",)):
        ran = world(*command)
        assert ran.code == 1, ran
        assert feed.read_bytes() == before
        world.later(hours=2)
    assert "feed.key is missing" in ran.err
    assert "certctl announce --new-key partners" in ran.err
    assert "every peer" in ran.err
    new = world.done("announce", "--new-key", "partners").out.strip()
    assert verified(world, new)
    world.done("run")
    assert world.steps() == []


def test_another_key_in_its_place(world: World) -> None:
    """A key that was made anew does not sign over the feed of the one that peers know."""
    feed = world.tls / "pins.jws"
    saved = feed.read_bytes()
    home = Path(world.layout.root) / "announce" / "partners"
    shutil.rmtree(home)
    feed.unlink()
    world.later(hours=2)
    world.done("run")
    feed.write_bytes(saved)
    assert world("run").code == 1
    world.later(hours=2)
    ran = world("run")
    assert ran.code == 1
    assert "another key signed" in ran.err
    assert feed.read_bytes() == saved
    verified(world, world.done("announce", "--new-key", "partners").out.strip())
    assert world.steps() == []


def test_a_stranger_in_its_place(world: World) -> None:
    """A stranger's feed is not taken for leave to go on: a person says whose it is."""
    feed = world.tls / "pins.jws"
    stranger = Signer().sign(json.dumps(document(5)).encode())
    feed.write_bytes(stranger)
    ran = world("run")
    assert ran.code == 1
    assert f"rm {feed}" in ran.err
    assert feed.read_bytes() == stranger
    feed.unlink()
    world.later(hours=2)
    world.done("run")
    assert verified(world)


def test_what_claims_the_key_uses_up_no_numbers(world: World) -> None:
    """A serial counts only under the feed's own signature."""
    feed, text = world.tls / "pins.jws", key(world)
    serial = verified(world)["serial"]
    told = Signer()
    feed.write_bytes(told.sign(json.dumps(document(2**62)).encode())[:-8])
    world.later(hours=2)
    world.done("run")
    assert serial < verified(world, text)["serial"] < serial + 10**9


@pytest.mark.parametrize("forget", [False, True])
def test_the_clock_was_ahead(world: World, forget: bool) -> None:
    """A feed from the future is issued anew once the clock is right, with a higher serial."""
    world.later(days=3000)
    world("rotate", "--abort", "mx1")
    ahead = verified(world)
    assert parse_rfc3339(ahead["issued_at"]) > world.now.replace(year=world.now.year - 1)
    world.later(days=-3000)
    if forget:
        (Path(world.layout.root) / "announce" / "partners" / "feed.json").unlink()
    else:
        assert [step["kind"] for step in world.steps() if step["subject"] == "partners"][:1] == ["announce"]
    world("run")
    told = verified(world)
    assert told["serial"] > ahead["serial"]
    assert parse_rfc3339(told["issued_at"]) <= world.now
    assert [step for step in world.steps() if step["subject"] == "partners"] == []


def test_a_note_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was issued last is not taken for nothing because it cannot be read just now."""
    before = (world.tls / "pins.jws").read_bytes()
    note = Path(world.layout.root) / "announce" / "partners" / "feed.json"
    saved = note.read_bytes()
    note.unlink()
    note.mkdir()
    ran = world("run")
    assert ran.code == 1
    assert "cannot read" in ran.err
    assert (world.tls / "pins.jws").read_bytes() == before
    note.rmdir()
    note.write_bytes(saved)
    world.later(hours=2)
    world.done("run")
    assert world.steps() == []
