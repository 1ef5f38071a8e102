"""What cannot be read is not missing: no read that fails makes certctl delete, retract or rotate anything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fault.state_world import looked, sound
from tests.support import evidence, invariants, scenarios
from tests.support.unreadable import ERRORS, Fails, Read, reading
from tests.support.world import Ran, World

CONFIG = f"""
[issuer.office]
type = "private-ca"
[certificate.mx1]
names = ["mx1.example.org"]
issuer = "office"
announce = ["policy"]
hold_down = "1h"
hooks = ["reload"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
[certificate.mx2]
names = ["mx2.example.org"]
issuer = "self-signed"
keys = ["ecdsa-p256", "ed25519"]
announce = ["policy"]
hold_down = "1h"
[[certificate.mx2.file]]
path = "tls/mx2.pem"
hooks = ["reload"]
[announce.policy]
type = "policy"
path = "tls/policy"
hooks = ["reload"]
{scenarios.FFDHE}
"""
MEMORIES = ("stamps.json", "cache", "journal.jsonl", "announce", "issuers", "peers")
"""What is not state of a certificate: caches, what people read, and what others keep and check."""


class Served(NamedTuple):
    """What must not change unasked."""

    keys: frozenset[bytes]
    """Every private key that is kept."""
    policy: bytes
    files: dict[str, bytes]
    numbers: dict[str, tuple[int | None, ...]]

    @classmethod
    def of(cls, world: World) -> Served:
        keys = {data for path, _, data in evidence.files(world.layout.root) if path.endswith(".key")}
        files = {name: (world.tls / name).read_bytes() for name in ("mx1.pem", "mx2.pem", "dh.pem")}
        numbers = {}
        for name in ("mx1", "mx2"):
            state = json.loads(Path(world.layout.state(name)).read_text())
            slots = (state[slot] and state[slot]["number"] for slot in ("current", "next", "previous"))
            numbers[name] = tuple(slots)
        return cls(frozenset(keys), (world.tls / "policy").read_bytes(), files, numbers)


@pytest.fixture
def settled(world: World) -> World:
    """Two certificates in their second generation, with a next one that could be served at any time."""
    world.configure(CONFIG)
    world.done("run")
    world.later(hours=2)
    world.done("rotate", "mx1")
    world.done("run")
    world.later(hours=2)
    world.done("run")
    invariants.check_settled(world)
    return world


def _faulty(world: World, fails: Fails, *command: str) -> tuple[Ran, list[Read]]:
    failed: list[Read] = []

    def failing(number: int, read: Read) -> int:
        code = fails(number, read)
        failed.extend([read] if code else [])
        return code

    with reading(world.layout.root, failing):
        ran = world(*command)
    return ran, failed


def _is_state(world: World, read: Read) -> bool:
    """Whether something could be concluded from *read*: more than that a directory is there."""
    inner = os.path.relpath(read.path, world.layout.root)
    return not inner.startswith(MEMORIES) and read.path.rstrip("/") not in world.layout.directories()


def _check(world: World, before: Served, fails: Fails, command: tuple[str, ...]) -> list[Read]:
    """One pass with faults, one without: nothing is lost, and what failed is told."""
    ran, failed = _faulty(world, fails, *command)
    if not failed:
        return failed
    sound(ran)
    if any(_is_state(world, read) for read in failed):
        assert ran.code == 1, (failed[0], ran)
    assert before.keys <= Served.of(world).keys
    assert Served.of(world)._replace(keys=before.keys) == before
    world.done("run")
    assert Served.of(world) == before
    return failed


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_reads_fail(settled: World, lasting: bool, counted: Callable[[str, int], None]) -> None:
    """A read fails, or all from one on: exit 1, no key goes, no pin goes, and the next pass is at rest."""
    world, before, number, cases = settled, Served.of(settled), 0, 0
    command = ("run", "--verify")
    while True:
        number += 7 if lasting else 1
        code = ERRORS[number % len(ERRORS)]
        first = number

        def fails(at: int, read: Read, first: int = first, code: int = code) -> int:
            return code if (at >= first if lasting else at == first) else 0

        try:
            failed = _check(world, before, fails, command)
        except AssertionError as error:
            raise AssertionError(f"read {number}, {os.strerror(code)}: {error}") from error
        if not failed:
            break
        cases += 1
    world.done("run", "--verify")
    invariants.check_settled(world)
    assert Served.of(world) == before
    counted("read faults", cases)


@pytest.mark.parametrize("code", ERRORS, ids=os.strerror)
def test_each_file(settled: World, code: int, counted: Callable[[str, int], None]) -> None:
    """Whatever file cannot be read, its certificate fails by name, with the errno; the other goes on."""
    world, before = settled, Served.of(settled)
    places = tuple(f"{world.layout.root}/{name}/" for name in ("certificates", "state"))
    paths = sorted(path for path, _, _ in evidence.files(world.layout.root) if path.startswith(places))
    for path in paths:

        def fails(at: int, read: Read, path: str = path) -> int:
            return code if read.path == path and read.name in ("open", "read") else 0

        name, other = ("mx1", "mx2") if "/mx1" in path else ("mx2", "mx1")
        (world.tls / f"{other}.pem").unlink()
        ran, failed = _faulty(world, fails, "run", "--verify")
        if not failed:
            world.done("run")
            continue
        assert ran.code == 1, f"{path}: {ran}"
        assert f"certctl: error: {name}: cannot read {path}: {os.strerror(code).lower()}" in ran.err
        assert (world.tls / f"{other}.pem").read_bytes() == before.files[f"{other}.pem"]
        with reading(world.layout.root, fails):
            looked(world)
            told = {row["name"]: row for row in world("status", "--json").document["certificates"]}
        assert told[name]["state"] == "failing"
        assert path in told[name]["last_error"]
        assert told[other]["state"] != "failing"
        world.done("run")
        assert Served.of(world) == before, path
    counted("read faults", len(paths))


def test_newer(settled: World) -> None:
    """A state file of a later version is refused: nothing is rebuilt or put aside, and the other goes on."""
    world = settled
    path = Path(world.layout.state("mx1"))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "version": 2, "more": True}))
    held = path.read_bytes()
    for name in ("mx1", "mx2"):
        (world.tls / f"{name}.pem").unlink()
    ran = world("run")
    assert ran.code == 1
    assert f"certctl: error: mx1: {path} was written by a newer certctl" in ran.err
    assert path.read_bytes() == held
    assert not (world.tls / "mx1.pem").exists()
    assert (world.tls / "mx2.pem").exists()
    assert sorted(os.listdir(path.parent)) == ["mx1.json", "mx2.json"]
    looked(world)


def test_hooks_unreadable(settled: World) -> None:
    """What hooks were run for is not forgotten because it cannot be read: no hook runs, exit 1."""
    world = settled
    log = (world.root / "reload.log").read_text()

    def fails(at: int, read: Read) -> int:
        return ERRORS[0] if read.path == world.layout.hooks else 0

    ran, _ = _faulty(world, fails, "run")
    assert ran.code == 1
    assert f"cannot read {world.layout.hooks}" in ran.err
    world.done("run")
    assert (world.root / "reload.log").read_text() == log


def _next(world: World, name: str) -> int:
    number = json.loads(Path(world.layout.state(name)).read_text())["next"]["number"]
    assert isinstance(number, int)
    return number


def test_one_of_two_is_damaged(settled: World) -> None:
    """Of two announced next keys one is damaged: a new pair is made, and the other stays for a hold-down."""
    world, number = settled, _next(settled, "mx2")
    Path(world.layout.key("mx2", number, "ecdsa-p256")).write_bytes(b"")
    other = Path(world.layout.key("mx2", number, "ed25519"))
    kept = other.read_bytes()
    for _ in range(2):
        world.done("run")
        assert _next(world, "mx2") == number + 1
        assert other.read_bytes() == kept
        assert world.steps() == []
    world.later(hours=2)
    world.done("run")
    assert not other.exists()
    invariants.check_settled(world)


def test_aborted(settled: World) -> None:
    """A next key that was announced and is dropped by a person stays for a hold-down, too."""
    world, number = settled, _next(settled, "mx1")
    world.done("rotate", "--abort", "mx1")
    assert _next(world, "mx1") == number + 1
    assert os.path.exists(world.layout.key("mx1", number, "ecdsa-p256"))
    world.later(minutes=50)
    world.done("run")
    assert os.path.exists(world.layout.key("mx1", number, "ecdsa-p256"))
    world.later(minutes=20)
    world.done("run")
    assert not os.path.exists(world.layout.generation("mx1", number))


def test_really_gone(settled: World) -> None:
    """A key that is proved gone is still noticed: then a new one is made."""
    world, number = settled, _next(settled, "mx1")
    shutil.rmtree(world.layout.generation("mx1", number))
    world.done("run")
    assert _next(world, "mx1") == number + 1
