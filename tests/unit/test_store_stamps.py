"""Stamps: they vouch for a file only as long as nobody touched it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.store.stamps import Stamps
from tests.support.damage import GARBAGE


def _disguised(path: Path) -> None:
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(1, 1))


TOUCHES: dict[str, Callable[[Path], object]] = {
    "longer": lambda path: path.write_bytes(b"longer content"),
    "as long, at the same time": _disguised,
    "another mode": lambda path: path.chmod(0o640),
    "another file": lambda path: (path.rename(path.with_name("old")), path.write_bytes(b"content")),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", TOUCHES, ids=lambda name: name.replace(" ", "-"))
def test_touched(tmp_path: Path, name: str) -> None:
    """Any change of a file ends what its stamp says, for one file as for several."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    os.utime(path, ns=(1, 1))
    stamps = Stamps(f"{tmp_path}/stamps.json")
    stamps.record(str(path), os.lstat(path), "token", "digest")
    stamps.record_all("all", [str(path)], "token")
    stamps.save()
    again = Stamps(f"{tmp_path}/stamps.json")
    assert again.digest(str(path), os.lstat(path), "token") == "digest"
    assert again.vouches("all", [str(path)], "token")
    assert again.digest(str(path), os.lstat(path), "another") is None
    assert not again.vouches("all", [str(path)], "another")
    TOUCHES[name](path)
    info = os.lstat(path) if path.exists() else None
    assert again.digest(str(path), info, "token") is None
    assert not again.vouches("all", [str(path)], "token")


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage(tmp_path: Path, garbage: bytes) -> None:
    """A cache that is damaged is an empty one."""
    (tmp_path / "stamps.json").write_bytes(garbage)
    assert Stamps(f"{tmp_path}/stamps.json").digest("x", None, "token") is None


@pytest.mark.parametrize(
    "entry",
    [
        [],
        ["token"],
        ["token", 1, 0, 0, 0, 0],
        ["token", "x"],
        ["token", []],
        ["token", [], 1],
        {},
        None,
        "xx",
    ],
)
def test_strange_entry(tmp_path: Path, entry: object) -> None:
    """An entry of another form vouches for nothing."""
    (tmp_path / "stamps.json").write_text(json.dumps({"x": entry}))
    stamps = Stamps(f"{tmp_path}/stamps.json")
    assert stamps.digest("x", None, "token") is None
    assert not stamps.vouches("x", [], "token")
    assert stamps.content("x", "token") == ""


def test_content(tmp_path: Path) -> None:
    """The digest of what was verified outlives a change of the files, but is for one token."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    stamps = Stamps(f"{tmp_path}/stamps.json")
    stamps.record_all("all", [str(path)], "token", "digest")
    stamps.record("one", None, "token", "-")
    stamps.save()
    path.unlink()
    again = Stamps(f"{tmp_path}/stamps.json")
    assert again.content("all", "token") == "digest"
    assert again.content("all", "another") == again.content("one", "token") == ""
    assert Stamps(f"{tmp_path}/stamps.json", trust=False).content("all", "token") == ""


def test_distrust(tmp_path: Path) -> None:
    """With --verify no stamp counts."""
    stamps = Stamps(f"{tmp_path}/stamps.json")
    stamps.record("x", None, "token", "-")
    stamps.save()
    assert Stamps(f"{tmp_path}/stamps.json").digest("x", None, "token") == "-"
    assert Stamps(f"{tmp_path}/stamps.json", trust=False).digest("x", None, "token") is None
