"""report: the lives of generations, the axis, the page, and the file it goes to."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from certctl.report import drawing, page
from certctl.report.lives import lives
from tests.support.world import World

NOW = datetime(2026, 11, 24, 5, tzinfo=timezone.utc)
EVIL = "<script>alert(1)</script>&\"'"
VOID = ("meta", "rect", "line", "circle")


class Checker(HTMLParser):
    """Sees that elements are closed in order, and collects tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    return checker


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "here"
    root.mkdir()
    return World(root, monkeypatch)


def configured(world: World, count: int = 1) -> None:
    tables = [
        f'[certificate.mx{n}]\nnames = ["mx{n}.example.org"]\nissuer = "private-ca"\n' for n in range(count)
    ]
    world.configure("".join(tables))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_page_is_sound(world: World, count: int) -> None:
    """With no, one and several certificates: well-formed, nothing from elsewhere, no script."""
    configured(world, count) if count else world.configure("")
    world.done("run")
    html = world.done("report").out
    found = checked(html)
    assert "script" not in found.tags
    assert not [
        value
        for name, value in found.attributes
        if name in ("src", "href") and not str(value).startswith("#")
    ]
    assert not re.search(r"https?:|url\(|@import", html)
    for number in range(count):
        assert f"mx{number}.example.org" in found.text
    assert found.tags.count("section") == count


def test_story_of_a_certificate(world: World) -> None:
    """Renewal, rotation and rollback are all on the timeline, and what is to come is in the table."""
    configured(world)
    world.done("run")
    world.later(days=61)
    world.done("run")
    world.done("rotate", "mx0")
    world.later(days=5)
    world.done("rollback", "mx0")
    world.later(days=2)
    html = world.done("report").out
    found = checked(html)
    for word in (
        "#1 current",
        "#2 previous",
        "issued by private-ca",
        "the certificate is renewed, the key stays",
    ):
        assert word in found.text
    assert html.count('class="served"') >= 4  # the legend's, two of #1, one of #2


def test_everything_is_escaped() -> None:
    """Names, errors, paths and outputs that look like markup stay text."""
    key = {"algorithm": EVIL, "not_after": "2027-01-01T00:00:00Z"}
    slot = {
        "generation": 1,
        "made_at": "2026-11-01T00:00:00Z",
        "promoted_at": "2026-11-01T00:00:00Z",
        "keys": [key],
    }
    cert: dict[str, Any] = {
        "name": EVIL, "names": [EVIL], "issuer": EVIL, "state": "failing", "current": slot, "next": None,
        "previous": None, "hold_until": None, "renew_at": "2026-12-01T00:00:00Z", "rotate_at": None,
        "retry_at": None, "last_error": EVIL, "held": EVIL, "waiting": EVIL,
        "files": [{"path": EVIL, "problem": EVIL}],
    }  # fmt: skip
    dhparam = {"name": EVIL, "path": EVIL, "bits": 2048, "source": EVIL, "made_at": None, "rotate_at": None,
               "state": "new", "last_error": EVIL}  # fmt: skip
    hook = {
        "name": EVIL,
        "state": "failing",
        "last_run": None,
        "retry_at": None,
        "pending": [EVIL],
        "output": EVIL,
    }
    status = {
        "now": "2026-11-24T05:00:00Z",
        "certificates": [cert, cert],
        "dhparams": [dhparam],
        "hooks": [hook],
    }
    events: list[dict[str, Any]] = [
        {"at": "2026-11-02T00:00:00Z", "event": "issue", "subject": EVIL, "generation": 1, "issuer": EVIL},
        {"at": "2026-11-03T00:00:00Z", "event": "issue-failed", "subject": EVIL, "error": EVIL},
    ]
    html = page.render(EVIL, status, {"steps": []}, events)
    found = checked(html)
    assert "script" not in found.tags
    assert "<script" not in html
    assert found.text.count(EVIL) > 15


def test_lives_from_a_cut_journal() -> None:
    """Where the journal begins too late, the state says what there is."""
    slot = {"promoted_at": "2026-05-01T00:00:00Z", "made_at": "2026-01-01T00:00:00Z", "keys": []}
    found = lives(
        [], {"current": {**slot, "generation": 7}, "next": {**slot, "generation": 8}, "previous": None}
    )
    assert [(life.number, life.slot) for life in found] == [(7, "current"), (8, "next")]
    assert found[0].served == ((datetime(2026, 5, 1, tzinfo=timezone.utc), None),)


def test_lives_with_strange_lines() -> None:
    """A journal line of another release, or a damaged one, is passed over."""
    events: list[dict[str, Any]] = [
        {"at": "yesterday", "event": "issue"},
        {"at": "2026-01-01T00:00:00Z"},
        {"event": "promote", "generation": 1},
        {"at": "2026-01-01T00:00:00Z", "event": "promote", "generation": "x"},
    ]
    assert lives(events, {}) == []


@pytest.mark.parametrize("days", [0.01, 1, 6, 30, 70, 200, 600])
def test_axis(days: float) -> None:
    """Whatever the span, there are a few ticks in it, in order, and every moment is within the page."""
    span = drawing.around(NOW, [NOW - timedelta(days=days / 2), NOW + timedelta(days=days / 2)])
    found = [at for at, _ in drawing.ticks(span)]
    assert found == sorted(found)
    assert 1 <= len(found) <= 12
    assert span.at(NOW - timedelta(days=9999)) == 0
    assert 0 < span.at(NOW) < 100
    assert span.at(NOW + timedelta(days=9999)) == 100


def test_output_is_replaced(world: World) -> None:
    """A report takes the place of an older one, whole, and keeps its mode; another file is never touched."""
    configured(world)
    world.done("run")
    target = world.root / "report.html"
    world.done("report", "--output", str(target))
    assert target.read_text().endswith("</html>\n")
    os.chmod(target, 0o640)
    inode = target.stat().st_ino
    world.done("report", "--output", str(target))
    assert target.stat().st_ino != inode
    assert target.stat().st_mode & 0o777 == 0o640
    other = world.root / "precious.html"
    other.write_text("<html>mine</html>")
    ran = world("report", "--output", str(other))
    assert ran.code == 2
    assert "is no report of certctl" in ran.err
    assert other.read_text() == "<html>mine</html>"


def test_nothing_is_changed(world: World) -> None:
    """Making the page changes no state."""
    configured(world)
    world.done("run")
    before = world.layout.journal, Path(world.layout.state("mx0")).read_bytes()
    world.done("report")
    assert (world.layout.journal, Path(world.layout.state("mx0")).read_bytes()) == before
