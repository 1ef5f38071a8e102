"""Killed, or failed by the disk, at durable operations: what is announced converges, nothing is lost."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.support import crash
from tests.support.world import Snapshot, World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "1h"
announce = ["lines", "partners", "wiki"]
[announce.lines]
type = "policy"
path = "tls/policy"
hooks = ["reload"]
[announce.partners]
type = "feed"
path = "tls/pins.jws"
[announce.wiki]
type = "command"
command = ["bin/tell"]
"""
PEER = """
[peer."mx1.example.org"]
feed = "tls/pins.jws"
key = "{key}"
map = "tls/map"
hooks = ["reload"]
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host that follows its own feed, with a next key that was announced."""
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    tell = root / "bin" / "tell"
    tell.write_text("#!/bin/sh\ncat >/dev/null\n")
    tell.chmod(0o755)
    made.configure(CONFIG)
    key = made.done("announce", "--key").out.strip()
    made.configure(CONFIG + PEER.format(key=key))
    made.done("run")
    made.later(minutes=30)
    return made


def check(world: World) -> None:
    """All that is announced and followed is what is printed; hooks and observations are complete."""
    world.done("run")
    world.done("run")  # the peer's feed is the host's own, and is fetched before what the pass itself issued
    lines = world.done("fingerprints", "mx1", "--format", "policy").out
    assert (world.tls / "policy").read_text() == lines
    followed = (world.tls / "map").read_text().splitlines()[1]
    assert sorted(followed.split()) == sorted(lines.split())
    assert world.done("plan", "--json").document["steps"] == []
    shown = world.done("announce", "--show", "--json").document
    assert {row["state"] for row in shown["announcers"]} == {"ok"}
    for slot in ("current", "next"):
        assert None not in shown["certificates"][0]["slots"][slot]["seen"].values()


@pytest.mark.parametrize("command", [("rotate", "--abort", "mx1"), ("announce", "--new-key", "partners")])
def test_killed(world: World, command: tuple[str, ...]) -> None:
    """After a kill at any point two passes make all of it good."""
    begin = world.save()
    number = 1
    while _killed(begin, number, command):
        check(world)
        number += 1
    assert number > 10


def _killed(begin: Snapshot, number: int, command: tuple[str, ...]) -> bool:
    """Kill the command before operation *number*; False if it has fewer."""
    begin.restore()
    return crash.killed(begin.world, number, *command)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_disk_fails(world: World, code: int) -> None:
    """A disk that fails once, and then recovers, leaves nothing that a later pass does not mend."""
    begin = world.save()
    command = ("rotate", "--abort", "mx1")
    count = len(crash.operations(world, *command))
    for number in range(1, count, 5):
        begin.restore()
        crash.failing(world, number, code, *command)
        world.later(hours=2)
        check(world)
