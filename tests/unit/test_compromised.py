"""A compromised key: the standby is served, the old pin goes at once, and it never comes back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from certctl.app import passes
from certctl.engine import proving
from certctl.planning import transitions
from certctl.planning.state import CertificateState, Generation
from tests.support.programs import BROKEN
from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "1h"
announce = ["lines", "partners"]
require_ack = ["thumb.example.net"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
[announce.lines]
type = "policy"
path = "tls/policy"
[announce.partners]
type = "feed"
path = "tls/pins.jws"
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host whose standby key was announced long ago."""
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG)
    made.done("run")
    made.later(hours=2)
    return made


def pins(world: World, *slots: str) -> list[str]:
    row = world.status()["mx1"]
    return sorted(key["key_sha256"] for slot in slots if row[slot] for key in row[slot]["keys"])


def told(world: World) -> list[str]:
    """The pins of the policy file."""
    words = (world.tls / "policy").read_text().split()
    return sorted(word.removeprefix("match=") for word in words if word.startswith("match="))


def test_the_old_pin_goes_at_once(world: World) -> None:
    """The standby is served, who knows it is told, and the old pin is retracted in the same pass."""
    old = pins(world, "current")
    ran = world.done("rotate", "mx1", "--force", "--compromised")
    for name in ("lines", "partners"):
        assert f"mx1: who follows {name} has been told the next pin" in ran.err
    assert "thumb.example.net has not acknowledged the next pin: its mail will be deferred" in ran.err
    row = world.status()["mx1"]
    assert (row["current"]["generation"], row["previous"]["compromised"]) == (2, True)
    assert told(world) == pins(world, "current", "next")
    assert old[0] not in told(world)
    assert old[0] not in world.done("fingerprints", "mx1").out
    assert "  mx1: the previous key, #1, is compromised" in world.done("status").out
    assert world.steps() == []
    # The next rotation leaves no trace of it.
    world.later(hours=2)
    world.done("ack", "mx1", "thumb.example.net")
    world.done("rotate", "mx1")
    row = world.status()["mx1"]
    assert (row["previous"]["generation"], row["previous"]["compromised"]) == (2, False)
    assert not Path(world.layout.lineage("mx1"), "1").exists()


def test_in_json(world: World) -> None:
    """Who knows the standby, and who does not, is in the document, too."""
    document = world.done("rotate", "mx1", "--compromised", "--json").document
    assert [line.partition(" 20")[0] for line in document["knows"]] == [
        f"mx1: who follows {name} has been told the next pin" for name in ("lines", "partners")
    ]
    assert len(document["breaks"]) == 1


def test_told_as_long_as_it_is_served(world: World) -> None:
    """While servers have not taken the new key, peers have to know the old one still."""
    old = pins(world, "current")
    (world.root / BROKEN).touch()
    assert world("rotate", "mx1", "--compromised").code == 1
    assert told(world) == sorted([*old, *pins(world, "current", "next")])
    (world.root / BROKEN).unlink()
    world.later(hours=2)
    world.done("run")
    assert told(world) == pins(world, "current", "next")


def test_it_does_not_come_back(world: World) -> None:
    """Neither a person nor a failed probe brings a compromised key back."""
    world.done("rotate", "mx1", "--compromised")
    ran = world("rollback", "mx1")
    assert ran.code == 1
    assert "the key of mx1's previous generation, 1, is compromised" in ran.err
    assert world.status()["mx1"]["current"]["generation"] == 2

    spec = world.spec
    cert = spec.certificates["mx1"]._replace(probe=("smtp://127.0.0.1:9",))
    state = world_state(world)._replace(unproved="promotion")
    verdict = proving.judge(spec, cert, state, ("nobody is there",), world.now)
    assert not verdict.reverted
    assert verdict.state.failure("probe") is not None
    unharmed = state._replace(previous=state.previous and state.previous._replace(compromised=False))
    assert proving.judge(spec, cert, unharmed, ("nobody is there",), world.now).reverted


def world_state(world: World) -> CertificateState:
    return passes.observe(world.spec).certificates["mx1"].state


def test_which_slot() -> None:
    """The current key gives way, the previous one is told no more, the next one is replaced."""
    now = datetime(2026, 11, 24, tzinfo=timezone.utc)
    one, two, three = (Generation(number, now, ()) for number in (1, 2, 3))
    state = CertificateState("mx1", two, three, one)
    gives_way = transitions.compromised(state, "current")
    assert (gives_way.rotation, gives_way.current) == ("forced", two._replace(compromised=True))
    told_no_more = transitions.compromised(state, "previous")
    assert (told_no_more.rotation, told_no_more.previous) == ("", one._replace(compromised=True))
    replaced = transitions.compromised(state, "next")
    assert (replaced.next, replaced.retired) == (None, (3,))


@pytest.fixture
def renewed(world: World) -> World:
    """Certificates are pinned, and the one that is served, of the first key, has been renewed."""
    world.configure(CONFIG.replace('hold_down = "1h"', 'hold_down = "1h"\npin = "certificate"'))
    world.done("rotate", "mx1", "--abort")
    world.done("renew", "mx1")
    world.done("ack", "mx1", "thumb.example.net")
    world.later(hours=2)
    world.done("run")
    row = world.status()["mx1"]
    assert row["previous"]["generation"] == 1
    assert pins(world, "current") == pins(world, "previous")
    return world


def test_not_as_the_certificate_before(renewed: World) -> None:
    """A key that was renewed stands in two generations: neither is told or served again."""
    stolen = pins(renewed, "current")
    certificates = renewed.status()["mx1"]["previous"]["keys"]
    renewed.done("rotate", "mx1", "--compromised")
    assert pins(renewed, "current") != stolen
    assert not set(stolen) & {*pins(renewed, "next"), *told(renewed)}
    assert not {key["certificate_sha256"] for key in certificates} & set(told(renewed))
    for again in ("rollback", "rotate", "renew"):
        renewed(again, "mx1")
        assert not set(stolen) & {*pins(renewed, "current"), *pins(renewed, "next")}


def test_not_as_a_renewal(renewed: World) -> None:
    """A renewal of the stolen key that stands ready is no standby, and nobody is said to know it."""
    renewed.done("renew", "mx1")
    renewed.done("ack", "mx1", "thumb.example.net")
    stolen = pins(renewed, "next")
    assert stolen == pins(renewed, "current")
    ran = renewed.done("rotate", "mx1", "--compromised")
    assert "whoever pins it breaks: the next key is made only now" in ran.err
    assert "has acknowledged" not in ran.err
    assert not set(stolen) & {*pins(renewed, "current"), *pins(renewed, "next")}


def test_not_with_abort(world: World) -> None:
    """--abort is about another key."""
    ran = world("rotate", "mx1", "--abort", "--compromised")
    assert ran.code == 2
    assert world.status()["mx1"]["next"]["generation"] == 2
