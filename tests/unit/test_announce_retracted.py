"""Pins that were retracted, or are shown elsewhere, have to be seen anew: the hold-down is not skipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import damage
from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
issuer = "self-signed"
hold_down = "1h"
announce = [{announce}]
"""
FEED = """
[announce.partners]
type = "feed"
path = "tls/{file}"
{more}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A host whose next key was announced longer ago than the hold-down."""
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    configure(made)
    made.done("run")
    made.later(hours=2)
    made.done("run")
    assert made.status()["mx1"]["next"]["announced_at"] is not None
    return made


def configure(world: World, announce: str = '"partners"', file: str = "pins.jws", more: str = "") -> None:
    world.configure(CONFIG.format(announce=announce) + (FEED.format(file=file, more=more) if file else ""))


def held(world: World) -> bool:
    """Whether a rotation that is asked for now waits for its hold-down."""
    before = world.status()["mx1"]["current"]["generation"]
    world("rotate", "mx1")
    return bool(world.status()["mx1"]["current"]["generation"] == before)


@pytest.mark.parametrize("file", ["pins.jws", ""])
def test_retracted_and_announced_again(world: World, file: str) -> None:
    """A pass without the announcement, or without the announcer, ends what was seen of it."""
    configure(world, announce="", file=file)
    world.done("run")
    configure(world)
    assert world.status()["mx1"]["next"]["announced_at"] is None
    world.done("run")
    assert held(world)
    world.later(hours=1)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 2


@pytest.mark.parametrize(
    "how", [("elsewhere.jws", ""), ("pins.jws", 'check = "https://127.0.0.1:1/pins.jws"')]
)
def test_shown_elsewhere(world: World, how: tuple[str, str]) -> None:
    """Another path, or another place where it has to be readable, begins the hold-down anew."""
    configure(world, file=how[0], more=how[1])
    assert held(world)


def test_another_mode_is_no_other_place(world: World) -> None:
    """What does not change who can see the pins leaves the hold-down as it was."""
    configure(world, more='mode = "0640"\nvalidity = "20d"')
    world.done("run")
    assert not held(world)


def test_states_from_before(world: World) -> None:
    """An observation without a place counts as one at the present place, which is kept then."""

    def edit(state: dict[str, Any]) -> dict[str, Any]:
        for slot in ("current", "next"):
            del state[slot]["seen"]["partners"]["place"]
        return state

    path = Path(world.layout.state("mx1"))
    damage.rewrite(path, edit)
    world.done("run")
    assert json.loads(path.read_text())["next"]["seen"]["partners"]["place"]
    configure(world, file="elsewhere.jws")
    assert held(world)


LINES = """
[announce.partners]
type = "{type}"
path = "tls/lines"
"""
KINDS = {
    "feed": FEED.format(file="pins.jws", more=""),
    "policy": LINES.format(type="policy"),
    "tlsa": LINES.format(type="tlsa"),
    "by hand": "",
}


def kept(world: World, kind: str) -> Callable[[], None]:
    """Announce by *kind*, until the next key could be served; then what brings back a backup of that."""
    world.configure(CONFIG.format(announce='"partners"' if KINDS[kind] else "") + KINDS[kind] + FILE)
    world.done("run")
    world.later(hours=2)
    world.done("run")
    state, backup = Path(world.layout.root), world.root / "backup"
    shutil.copytree(state, backup, symlinks=True)

    def back() -> None:
        shutil.rmtree(state)
        backup.rename(state)

    return back


FILE = """
[[certificate.mx1.file]]
path = "tls/mx1.pem"
"""


@pytest.mark.parametrize("kind", ["feed", "policy", "tlsa"])
def test_an_older_state(world: World, kind: str) -> None:
    """A state from before the next key was retracted came back: that key is announced and held anew."""
    restore = kept(world, kind)
    world.done("rotate", "--abort", "mx1")
    world.later(hours=2)
    world.done("run")
    restore()
    assert [one["kind"] for one in world.done("plan", "--json").document["steps"]].count("announce") == 1
    world.done("run")
    assert held(world)
    world.later(hours=2)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 2


@pytest.mark.parametrize("kind", ["feed", "policy", "by hand"])
def test_a_state_from_before_two_rotations(world: World, kind: str) -> None:
    """The key that is served is taken over; what the old state calls next was retracted, and is held anew."""
    restore = kept(world, kind)
    for _ in range(2):
        world.done("rotate", "mx1")
        world.later(hours=2)
        world.done("run")
    world.later(hours=2)
    world.done("run")
    restore()
    served = str(world.tls / "mx1.pem")
    assert f"certctl import pem {served} --name mx1" in world("run").err
    world.done("import", "pem", served, "--name", "mx1")
    world.done("run")
    assert held(world)


@pytest.mark.parametrize("kind", ["feed", "policy", "tlsa", "by hand"])
def test_the_same_state_elsewhere(world: World, kind: str) -> None:
    """A state that came along with what it announced, as to another disk or host, brings its hold-downs."""
    restore = kept(world, kind)
    restore()
    world.done("run")
    assert not held(world)


@pytest.mark.parametrize("kind", ["feed", "policy", "tlsa"])
def test_a_file_that_is_gone(world: World, kind: str) -> None:
    """Where nothing is shown, peers keep what they have: it is shown again, and the hold-down is over."""
    kept(world, kind)
    (world.tls / ("pins.jws" if kind == "feed" else "lines")).unlink()
    world.done("run")
    assert not held(world)
