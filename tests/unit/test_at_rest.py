"""What is kept of a host at rest holds exactly as long as nothing that it depends on changes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.app import at_rest
from certctl.store.layout import Layout

NOW = time.time()


class World:
    """A state directory, as flat as can be, and a file outside of it."""

    def __init__(self, top: Path) -> None:
        self.layout = Layout(str(top / "state"))
        self.outside = top / "mx1.pem"
        inner = top / "state/certificates/mx1/1/issued-1"
        for directory in (inner, top / "state/live", top / "state/cache"):
            directory.mkdir(parents=True)
        for file in (inner / "key.pem", top / "state/hooks.json", self.outside):
            file.write_text("content")
        (top / "state/live/mx1").symlink_to("../certificates/mx1/1/issued-1")
        (top / "state/journal.jsonl").write_text("{}\n")

    def keep(self, until: float | None = None, at: float | None = None) -> bool:
        """Keep it as of *at*; by default when all that is there has got old enough."""
        while at is None and time.time_ns() < self.newest() + 2 * at_rest.TICK:
            time.sleep(0.01)
        moment = time.time_ns() if at is None else int(at * 1e9)
        return at_rest.save(self.layout, "me", [str(self.outside)], until, moment)

    def newest(self) -> int:
        paths = [self.outside, *Path(self.layout.root).rglob("*")]
        return max(os.lstat(path).st_ctime_ns for path in paths if os.path.lexists(path))

    def holds(self, now: float | None = None, made_for: str = "me") -> bool:
        return at_rest.holds(self.layout, made_for, now or time.time() + 60) is not None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rewritten(path: Path) -> None:
    """The same number of bytes, and the same modification time: only the change time tells."""
    info = path.stat()
    path.write_text("CONTENT")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def replaced(path: Path) -> None:
    twin = path.with_name("twin")
    twin.write_text("content")
    twin.rename(path)


def added(path: Path) -> None:
    (path / "more").write_text("")


def removed(path: Path) -> None:
    path.rename(path.parent / "elsewhere")


CHANGES: dict[str, Callable[[Path], None]] = {
    "mode": lambda path: os.chmod(path, 0o711),
    "content": rewritten,
    "replacement": replaced,
    "addition": added,
    "removal": removed,
}


INNER = "state/certificates/mx1/1/issued-1"
FILES = ("mx1.pem", "state/hooks.json", f"{INNER}/key.pem")
DIRECTORIES = (
    "state/live",
    "state/certificates",
    "state/certificates/mx1",
    "state/certificates/mx1/1",
    INNER,
)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        *((path, change) for path in FILES for change in ("mode", "content", "replacement", "removal")),
        *((path, change) for path in DIRECTORIES for change in ("mode", "addition", "removal")),
        *(("state", change) for change in ("mode", "addition")),
        ("state/live/mx1", "removal"),
        ("state/live/mx1", "replacement"),
    ],
)
def test_any_change_of_anything_ends_it(world: World, path: str, change: str) -> None:
    """Every file, directory and link, changed in every way that its kind can be."""
    assert world.keep()
    assert world.holds()
    CHANGES[change](Path(world.layout.root).parent / path)
    assert not world.holds()


def test_what_passes_write_at_any_time_does_not_end_it(world: World) -> None:
    """The journal grows, the cache itself is there: neither is a change."""
    assert world.keep()
    with open(world.layout.journal, "a", encoding="utf-8") as file:
        file.write("{}\n")
    assert world.holds()


def test_it_ends_when_its_moment_comes(world: World) -> None:
    """Until then and not longer; and not before it was found, since then the clock was set back."""
    assert world.keep(until=time.time() + 1000)
    assert world.holds(time.time() + 999)
    assert not world.holds(time.time() + 1001)
    assert not world.holds(time.time() - 1000)


def test_it_is_for_one_configuration(world: World) -> None:
    """Another file, user or version of certctl finds out for itself."""
    assert world.keep()
    assert not world.holds(made_for="somebody else")


def test_what_changed_while_looking_is_not_relied_on(world: World) -> None:
    """A file that is as new as the look may change once more, within the same tick of its times."""
    assert not world.keep(at=world.newest() / 1e9)
    assert not world.holds()


def test_what_is_not_there_is_not_relied_on(world: World) -> None:
    """A configured file that went away after the look has no times that would tell."""
    world.outside.unlink()
    assert not world.keep()


def test_links_that_lead_elsewhere_are_not_relied_on(world: World, tmp_path: Path) -> None:
    """What is behind them is not looked at."""
    (tmp_path / "disk").mkdir()
    (Path(world.layout.root) / "dhparam").symlink_to(tmp_path / "disk")
    assert not world.keep()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:0],
        lambda text: text[: len(text) // 2],
        lambda text: f"[{text}]",
        lambda text: f"{len(text)}",
        lambda text: json.dumps({"was": text}),
        lambda text: text.replace('"version":1', '"version":2'),
        lambda text: text.replace('"paths":[', '"paths":[0,'),
        lambda text: text.replace('"numbers":[', '"numbers":[7,'),
        lambda text: text.replace('"until":null', '"until":"never"'),
        lambda text: text.replace('"made_at":', '"made_at":"x","made_then":'),
        lambda text: json.dumps({**json.loads(text), "paths": [], "numbers": []}),
        lambda text: json.dumps({**json.loads(text), "paths": {"a": 1}}),
        lambda text: json.dumps({**json.loads(text), "paths": ["\x00"]}),
    ],
)
def test_damage_ends_it(world: World, change: Callable[[str], str]) -> None:
    """A cut, an empty or an edited cache counts as none."""
    assert world.keep()
    path = Path(world.layout.at_rest)
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before
    assert not world.holds()
