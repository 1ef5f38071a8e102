"""A program that announces: what it is told, what its exit status means, and what bounds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "1h"
announce = ["wiki"]
[announce.wiki]
type = "command"
command = ["bin/tell"]
timeout = "2s"
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG)
    program(made, "exit 0")
    return made


def program(world: World, end: str) -> None:
    """Let bin/tell keep what it is told, then do *end*."""
    path = world.root / "bin" / "tell"
    path.write_text(f"#!/bin/sh\ncat >>{world.root}/told\necho >>{world.root}/told\n{end}\n")
    path.chmod(0o755)


def told(world: World) -> list[Any]:
    return [json.loads(line) for line in (world.root / "told").read_text().splitlines()]


def test_what_it_is_told(world: World) -> None:
    """JSON on standard input, once for each change, the pins as `certctl fingerprints` prints them."""
    world.done("run")
    world.done("run")
    current, following = told(world)
    assert [pin["slot"] for pin in current["certificates"][0]["pins"]] == ["current"]
    [entry] = following["certificates"]
    found = world.done("fingerprints", "mx1", "--json").document["fingerprints"]
    assert [pin["sha256"] for pin in entry["pins"]] == [row["fingerprint"] for row in found]
    assert entry["names"] == ["mx1.example.org"]
    world.later(hours=1)
    world.done("rotate", "mx1")
    assert len(told(world)) == 4
    assert {pin["slot"] for pin in told(world)[-1]["certificates"][0]["pins"]} == {
        "current", "next", "previous"}  # fmt: skip


def test_shown_but_not_seen(world: World) -> None:
    """Exit status 75: the hold-down has not begun; its last line says who lags, and it is asked again."""
    program(world, "echo mirror 3 is behind; exit 75")
    world.done("run")
    assert "mirror 3 is behind" in world.done("plan").out
    assert world.status()["mx1"]["next"]["announced_at"] is None
    program(world, "exit 0")
    world.later(minutes=1)
    world.done("run")
    assert world.status()["mx1"]["next"]["announced_at"] is not None


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("echo no such page >&2; exit 3", "failed with exit status 3: no such page"),
        ("kill -9 $$", "failed with exit status 137"),
        ("sleep 60", "was ended after 2 s"),
        ("yes", "printed more than 1048576 bytes"),
    ],
)
def test_failures(world: World, end: str, words: str) -> None:
    """Another status, a signal, a hang and a flood are failures: told, kept, tried again later."""
    program(world, end)
    ran = world("run")
    assert ran.code == 1
    assert words in ran.err
    assert world.status()["mx1"]["next"]["announced_at"] is None
    program(world, "exit 0")
    world.later(hours=1)
    world.done("run")
    assert world.status()["mx1"]["next"]["announced_at"] is not None


def test_another_program_is_told_at_once(world: World) -> None:
    """A program that is configured anew has heard nothing yet."""
    world.done("run")
    before = len(told(world))
    world.configure(CONFIG.replace('["bin/tell"]', '["bin/tell", "--loudly"]'))
    assert [step["subject"] for step in world.steps()] == ["wiki"]
    world.done("run")
    assert len(told(world)) == before + 1


def test_a_program_that_others_may_change_is_refused(world: World) -> None:
    """Whoever may write it would decide what peers are told."""
    (world.root / "bin" / "tell").chmod(0o777)
    ran = world("run")
    assert ran.code == 1
    assert "may be written by everybody" in ran.err
    assert "issuer" not in ran.err


def test_a_program_that_is_missing(world: World) -> None:
    """What is to be looked at is said, and it is nothing of an issuer."""
    (world.root / "bin" / "tell").unlink()
    ran = world("run")
    assert ran.code == 1
    assert "bin/tell does not exist" in ran.err
    assert "check the command in certctl.toml" in ran.err
    assert "issuer" not in ran.err


def test_nothing_secret_is_told(world: World) -> None:
    """Neither its input nor its environment holds a key."""
    program(world, f"env >{world.root}/env")
    world.done("run")
    assert "PRIVATE KEY" not in (world.root / "told").read_text()
    names = {line.split("=")[0] for line in (world.root / "env").read_text().splitlines()}
    assert names <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}
