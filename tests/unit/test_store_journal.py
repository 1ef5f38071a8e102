"""The journal: lines for people, readable whatever happened to the file."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certctl.errors import StoreError
from certctl.store import journal

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)


def test_round_trip(tmp_path: Path) -> None:
    """Events come back in their order; details that say nothing are not written."""
    path = f"{tmp_path}/journal.jsonl"
    journal.record(path, NOW, "issue", "mx1", reason="ü", error=None, pins=[], generation=3)
    journal.record(path, NOW, "hook", "postfix")
    at = "2026-11-24T00:00:00Z"
    assert list(journal.read(path)) == [
        {"at": at, "event": "issue", "subject": "mx1", "reason": "ü", "generation": 3},
        {"at": at, "event": "hook", "subject": "postfix"},
    ]


def test_cannot_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that the system does not let us look at is named, with the reason."""

    def refuse(path: str, **_: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(StoreError, match=r"journal.jsonl: permission denied"):
        journal.record(f"{tmp_path}/journal.jsonl", NOW, "hook", "postfix")


def test_strange_lines(tmp_path: Path) -> None:
    """Lines that are cut, nested without end, or hold half a character are passed over."""
    path = tmp_path / "journal.jsonl"
    good = json.dumps({"at": "x", "event": "y"})
    strange = [
        '{"at": "2',
        "[" * 100_000,
        '{"at": "\\ud800"}',
        "[1]",
        "null",
        "\x00\x00",
        '{"event": "y"}',
        "",
    ]
    path.write_bytes("\n".join([good, *strange, good]).encode() + b"\n\xff\xfe")
    assert list(journal.read(str(path))) == [json.loads(good)] * 2


def test_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that has grown long is put aside once, and both parts are read."""
    monkeypatch.setattr(journal, "MOST_BYTES", 300)
    path = f"{tmp_path}/journal.jsonl"
    for number in range(12):
        journal.record(path, NOW, "issue", f"mx{number}")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.jsonl", "journal.jsonl.1"]
    subjects = [event["subject"] for event in journal.read(path)]
    assert subjects[-1] == "mx11"
    assert subjects == [f"mx{number}" for number in range(12 - len(subjects), 12)]


def test_unreadable(tmp_path: Path) -> None:
    """A journal that cannot be read is named; one that is not there has no events."""
    assert list(journal.read(f"{tmp_path}/journal.jsonl")) == []
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(StoreError, match=f"cannot read {tmp_path}/journal.jsonl: is a directory"):
        list(journal.read(f"{tmp_path}/journal.jsonl"))
