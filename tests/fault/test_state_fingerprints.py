"""Recorded fingerprints that no key has: they are told to nobody, and the disk corrects them."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support import damage, evidence
from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
issuer = "self-signed"
pin = "{pin}"
hold_down = "1h"
announce = ["feed", "policy", "zone"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
[certificate.mx2]
names = ["mx2.example.org"]
issuer = "self-signed"
announce = ["feed"]
[announce.feed]
type = "feed"
path = "tls/pins.jws"
[announce.policy]
type = "policy"
path = "tls/policy"

[announce.zone]
type = "tlsa"
path = "tls/zone"
"""
DIGESTS = ("sha256", "sha1", "md5")


def _flip(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _settle(world: World, pin: str) -> None:
    """Current, next and previous are there, and every announcer shows what there is."""
    world.configure(CONFIG.format(pin=pin))
    world.done("run")
    world.done("rotate", "mx1", "--force")
    world.later(hours=2)
    world.done("run")
    assert world.steps() == []


def _told(world: World) -> str:
    payload = (world.tls / "pins.jws").read_text().split(".")[1]
    feed = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    return "\n".join([feed, (world.tls / "policy").read_text(), (world.tls / "zone").read_text().upper()])


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("slot", ["current", "next", "previous"])
@pytest.mark.parametrize("pin", ["key", "certificate"])
def test_one_digit_flipped(world: World, pin: str, slot: str, digest: str) -> None:
    """A recorded fingerprint that is wrong by one digit reaches no announcer: the disk corrects it."""
    _settle(world, pin)
    wrong: list[str] = []
    right: list[str] = []

    def edit(state: dict[str, Any]) -> dict[str, Any]:
        generation = state[slot]
        for key in generation["keys"] if generation else ():
            for record in (key, key["certificate"]):
                if record is not None:
                    right.append(record[digest])
                    record[digest] = _flip(record[digest])
                    wrong.append(record[digest])
        return state

    damage.rewrite(Path(world.layout.state("mx1")), edit)
    before = evidence.private_keys(world.layout.root)
    assert not set(wrong) & set(world("fingerprints", "--slot", "all", "--digest", digest).out.split())
    ran = world("run")
    assert "Traceback" not in ran.err
    for text in wrong:
        assert text not in _told(world)
        assert text.replace(":", "") not in _told(world)
    if wrong:
        assert "warning" in ran.err, ran
        assert f"not those of the {slot}" in ran.err or "put together again" in ran.err, ran
        state = Path(world.layout.state("mx1")).read_text()
        assert not [text for text in wrong if text in state]
        assert [text for text in right if text not in state] == []
    assert before.keys() <= evidence.private_keys(world.layout.root).keys()
    world.later(minutes=2)
    world.done("run")
    assert world.steps() == []


def test_hold_down_begins_anew(world: World) -> None:
    """What was told of a next key whose recorded fingerprint was wrong counts no more."""
    _settle(world, "key")
    world.later(hours=1)

    def edit(state: dict[str, Any]) -> dict[str, Any]:
        key = state["next"]["keys"][0]
        key["sha256"] = _flip(key["sha256"])
        return state

    damage.rewrite(Path(world.layout.state("mx1")), edit)
    number = world.status()["mx1"]["current"]["generation"]
    world("rotate", "mx1")
    assert world.status()["mx1"]["current"]["generation"] == number
    assert world.status()["mx1"]["hold_until"] is not None


def test_where_another_generation_is_damaged_too(world: World) -> None:
    """The correction of one generation needs no others: damage to previous does not cost the current key."""
    _settle(world, "key")
    state = json.loads(Path(world.layout.state("mx1")).read_text())
    current, previous = state["current"]["number"], state["previous"]["number"]
    served = evidence.served((world.tls / "mx1.pem").read_bytes())[0].pin

    def edit(state: dict[str, Any]) -> dict[str, Any]:
        key = state["current"]["keys"][0]
        key["sha256"] = _flip(key["sha256"])
        return state

    lineage = Path(world.layout.lineage("mx1"))
    shutil.copy(lineage / "../mx2/1/ecdsa-p256.key", lineage / f"{previous}/ecdsa-p256.key")
    damage.rewrite(Path(world.layout.state("mx1")), edit)
    world("run")
    assert evidence.served((world.tls / "mx1.pem").read_bytes())[0].pin == served
    status = world.status()["mx1"]["current"]
    found = status["keys"][0]["key_sha256"]
    assert (status["generation"], found.replace(":", "").lower()) == (current, served)
    assert found in _told(world)


def test_where_the_key_is_gone(world: World) -> None:
    """A key that is lost is told by what its certificate says of it, not by a record that no key has."""
    _settle(world, "key")
    wrong = []

    def edit(state: dict[str, Any]) -> dict[str, Any]:
        key = state["current"]["keys"][0]
        wrong.append(key["sha256"])
        key["sha256"] = _flip(key["sha256"])
        wrong.append(key["sha256"])
        return state

    damage.rewrite(Path(world.layout.state("mx1")), edit)
    number = world.status()["mx1"]["current"]["generation"]
    lineage = Path(world.layout.lineage("mx1"))
    for path in lineage.glob(f"{number}/**/*"):
        if path.name.endswith(".key") or path.name in ("key.pem", "bundle.pem"):
            path.unlink()
    world("run")
    right, flipped = wrong
    assert flipped not in _told(world)
    assert right in _told(world)
