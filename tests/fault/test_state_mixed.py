"""State and keys that were mixed up: what is served keeps its key, no key is lost, a pass settles it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fault.state_world import CONFIG, UNSERVED, looked, sound
from tests.support import damage, evidence, invariants
from tests.support.world import Snapshot, World

State = dict[str, Any]


def _swap(state: State, one: str, other: str) -> None:
    state[one], state[other] = state[other], state[one]


def _swap_in(state: State, field: str, one: str = "current", other: str = "next") -> None:
    state[one][field], state[other][field] = state[other][field], state[one][field]


def _swap_key(state: State, field: str, one: str = "current", other: str = "next") -> None:
    first, second = state[one]["keys"][0], state[other]["keys"][0]
    first[field], second[field] = second[field], first[field]


EDITS: dict[str, Callable[[State], object]] = {
    "numbers of current and next swapped": lambda state: _swap_in(state, "number"),
    "numbers of current and previous swapped": lambda state: _swap_in(state, "number", "previous"),
    "numbers of next and previous swapped": lambda state: _swap_in(state, "number", "next", "previous"),
    "current and next swapped": lambda state: _swap(state, "current", "next"),
    "next and previous swapped": lambda state: _swap(state, "next", "previous"),
    "current dropped": lambda state: state.update(current=None),
    "next dropped": lambda state: state.update(next=None),
    "previous dropped": lambda state: state.update(previous=None),
    "all dropped": lambda state: state.update(current=None, next=None, previous=None),
    "current dropped and retired": lambda state: state.update(current=None, retired=[3]),
    "all retired": lambda state: state.update(
        current=None, next=None, previous=None, retired=[2, 3, 4], last_number=4
    ),
    "last number forgotten": lambda state: state.update(last_number=0),
    "last number far ahead": lambda state: state.update(last_number=1000),
    "keys of current and next swapped": lambda state: _swap_in(state, "keys"),
    "fingerprints of current and next swapped": lambda state: _swap_key(state, "sha256"),
    "fingerprints of current and previous swapped": lambda state: _swap_key(state, "sha256", "previous"),
    "certificates of current and previous swapped": lambda state: _swap_key(
        state, "certificate", "current", "previous"
    ),
    "another algorithm": lambda state: state["next"]["keys"][0].update(algorithm="rsa-2048"),
    "current of another algorithm": lambda state: state["current"]["keys"][0].update(algorithm="ed25519"),
    "next far away": lambda state: (state["next"].update(number=9), state.update(last_number=9)),
    "current far away": lambda state: (state["current"].update(number=9), state.update(last_number=9)),
    "an issuance that is not there": lambda state: state["current"].update(issuance=7),
    "the issuance before": lambda state: state["current"].update(issuance=1),
}


@pytest.fixture
def begin(world: World) -> Snapshot:
    """A world in which every slot is taken, by generations 3, 4 and 2."""
    world.configure(CONFIG)
    world.done("run")
    for _ in range(2):
        world.done("rotate", "mx1")
    world.done("renew", "mx1")
    assert invariants.numbers(world.status()["mx1"]) == (3, 4, 2)
    return world.save()


def settles(world: World, mess: Callable[[World], None], *, heals: bool = True) -> None:
    """Make a *mess*; what is served keeps its key, no private key goes, and two passes bring order."""
    pin = evidence.served((world.tls / "mx1.pem").read_bytes())[0].pin
    mess(world)
    keys = evidence.private_keys(world.layout.root)
    looked(world)
    first = sound(world("run"))
    invariants.check_served(world, never=UNSERVED)
    world.later(hours=2)
    second = sound(world("run"))
    looked(world)
    assert keys.keys() <= evidence.private_keys(world.layout.root).keys(), (first, second)
    invariants.check_served(world, never=UNSERVED)
    for place in (world.tls / "mx1.pem", Path(world.layout.live("mx1")) / "bundle.pem"):
        assert evidence.served(place.read_bytes())[0].pin == pin, (first, second)
    if heals:
        assert second.code == 0, (first, second)
        assert "warning" not in second.err, second
        assert world.steps() == []
        invariants.check_agreement(world, world.status())
        invariants.check_hooks(world)


@pytest.mark.parametrize("name", EDITS, ids=lambda name: name.replace(" ", "-"))
def test_edited_state(begin: Snapshot, name: str) -> None:
    """Whatever somebody wrote into the state, the disk knows better which key is served."""

    def edit(state: State) -> State:
        EDITS[name](state)
        return state

    def mess(world: World) -> None:
        damage.rewrite(Path(world.layout.state("mx1")), edit)

    settles(begin.world, mess)


PAIRS = [
    ("mx1/3/ecdsa-p256.key", "mx1/4/ecdsa-p256.key"),
    ("mx1/3/ecdsa-p256.key", "mx1/2/ecdsa-p256.key"),
    ("mx1/2/ecdsa-p256.key", "mx1/4/ecdsa-p256.key"),
    ("mx1/4/ecdsa-p256.key", "mx2/1/ecdsa-p256.key"),
    ("mx1/3/ecdsa-p256.key", "mx2/1/ecdsa-p256.key"),
    ("mx2/1/ecdsa-p256.key", "mx2/1/ed25519.key"),
    ("mx1/3/issued-2/key.pem", "mx1/2/issued-1/key.pem"),
    ("mx1/3/issued-2/key.pem", "mx1/4/ecdsa-p256.key"),
    ("mx1/3/issued-2/bundle.pem", "mx1/2/issued-1/bundle.pem"),
    ("mx1/3/issued-2/cert.pem", "mx1/2/issued-1/cert.pem"),
    ("mx1/3/issued-2/fullchain.pem", "mx1/2/issued-1/fullchain.pem"),
    ("mx1/3/issued-2/fullchain.pem", "mx2/1/issued-1/fullchain.pem"),
    ("mx1/3/issued-2/chain.pem", "mx1/3/issued-2/root.pem"),
    ("mx1/3/issued-2/request.json", "mx1/2/issued-1/request.json"),
    ("mx1/3/issued-2", "mx1/2/issued-1"),
    ("mx1/3/issued-2", "mx1/3/issued-1"),
    ("mx1/3", "mx1/4"),
    ("mx1/3", "mx1/2"),
    ("mx1/4", "mx1/2"),
    ("mx2/1/issued-1/ed25519", "mx2/1/issued-1/ecdsa-p256"),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-and-".join(pair).replace("/", "_"))
def test_exchanged(begin: Snapshot, pair: tuple[str, str]) -> None:
    """Two files or directories that changed places: found out, and every key is still there."""

    def mess(world: World) -> None:
        lineages = Path(world.layout.root) / "certificates"
        damage.exchange(lineages / pair[0], lineages / pair[1])

    settles(begin.world, mess)


@pytest.mark.parametrize("state", ["kept", "cut", "gone"])
@pytest.mark.parametrize("live", ["older", "issuance-before", "next", "dangling", "outside", "file", "gone"])
def test_live(begin: Snapshot, live: str, state: str) -> None:
    """A live/NAME that points anywhere comes back, with the state or without it."""

    def mess(world: World) -> None:
        link = Path(world.layout.live("mx1"))
        link.unlink()
        targets = {
            "older": "../certificates/mx1/2/issued-1",
            "issuance-before": "../certificates/mx1/3/issued-1",
            "next": "../certificates/mx1/4/issued-1",
            "dangling": "\n\\nowhere",
            "outside": str(world.tls),
        }
        if live in targets:
            link.symlink_to(targets[live])
        elif live == "file":
            link.write_text("../certificates/mx1/3/issued-2")
        path = Path(world.layout.state("mx1"))
        if state == "cut":
            os.truncate(path, 200)
        elif state == "gone":
            path.unlink()

    world = begin.world
    if live == "older" and state != "kept":
        # Nothing else says which one is right, and the link is what servers read.
        mess(world)
        world.done("run")
        invariants.check_served(world, never=UNSERVED)
        assert invariants.numbers(world.status()["mx1"])[0] == 2
        return
    settles(world, mess)


def test_directory_instead_of_live(begin: Snapshot) -> None:
    """A directory in the place of live/NAME is not removed: it is named, with what to do about it."""
    world = begin.world
    link = Path(world.layout.live("mx1"))
    link.unlink()
    shutil.copytree(world.layout.issuance("mx1", 3, 2), link)
    looked(world)
    ran = sound(world("run"))
    assert ran.code == 1
    assert f"{link} is a directory" in ran.err
    assert f"mv {link}" in ran.err
    link.rename(link.with_name("aside"))
    world.later(hours=2)
    world.done("run")
    assert world.steps() == []


@pytest.mark.parametrize("slot", ["current", "next", "previous"])
def test_key_that_is_gone(begin: Snapshot, slot: str) -> None:
    """A key that is nowhere any more: the current one gives way to the next, others are replaced or left."""
    world = begin.world
    number = dict(zip(("current", "next", "previous"), (3, 4, 2), strict=True))[slot]
    before = world.status()["mx1"]
    for path in Path(world.layout.generation("mx1", number)).rglob("*"):
        if path.suffix == ".key" or path.name in ("key.pem", "bundle.pem"):
            path.write_bytes(b"")
    looked(world)
    sound(world("run"))
    world.later(hours=2)
    world.done("run")
    after = world.status()["mx1"]
    assert world.steps() == []
    invariants.check_served(world, never=UNSERVED)
    wanted = before["next" if slot == "current" else "current"]["keys"][0]["key_sha256"]
    assert after["current"]["keys"][0]["key_sha256"] == wanted
    assert (after["next"]["generation"] == 4) == (slot == "previous")
