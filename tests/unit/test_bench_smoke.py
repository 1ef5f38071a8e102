"""The benchmarks in small: each gives sane figures, and table, JSON, chart and page hold them."""

from __future__ import annotations

import json
import math
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.bench import __main__ as bench
from tests.bench import peers, publish, suite
from tests.bench.report import table
from tests.bench.result import Results, Row, read
from tests.real.servers.require import program

DOCS = Path(__file__).parents[2] / "docs"
TEXT = "{http://www.w3.org/2000/svg}text"
NEEDS = {"idle": ("pebble",), "acme": ("pebble",), "changed": ("strace",), "dhparam": ("openssl",)}
ROWS = {
    "startup": {"certctl status", "certctl plan", "certctl fingerprints", "certctl --help"},
    "idle": {"1 certificate", "100 certificates", "peak memory at 100 certificates"},
    "local": {"20 self-signed", "20 private-ca"},
    "keys": {"2 RSA-2048 keys"},
    "changed": {"20 files written: hook runs", "20 renewed", "1 renewed, 1 file, 1 hook: fsync + syncfs"},
    "fingerprints": {"20 recorded", "20 of one PEM file"},
    "daemon": {"memory after 20 passes", "wake-ups in 1 s of waiting"},
    "dhparam": {"512 bits, 1 of the cores"},
}
"""Some of the cases that there are even with no peer at all."""
COSTLY = {"idle": ("dehydrated",), "acme": ("certbot", "dehydrated", "lego")}
"""Peers that take seconds for each certificate, and are not what is tested here."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [module.NAME for module in suite.ALL])
def test_benchmark_in_small(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One benchmark runs, and prints the same sane figures as a table, as JSON and as a chart."""
    for needed in NEEDS.get(name, ()):
        program(needed)
    slow = [word for peer in COSTLY.get(name, ()) for word in ("--without", peer)]
    files = ["--json", str(tmp_path / "x.json"), "--svg", str(tmp_path / "x.svg")]
    bench.main(["--quick", "--here", *slow, *files, name])
    results = read(str(tmp_path / "x.json"))
    out, told = capsys.readouterr()
    assert out == table(results) + "\n"
    assert results.rows, told
    assert ROWS.get(name, set()) <= {row.case for row in results.rows}
    for row in results.rows:
        assert row.benchmark == name
        _sane(row)
    for peer in peers.NAMES if name == "acme" else ():
        there = any(row.against.startswith(peer) for row in results.rows)
        assert there != (f"bench: {peer} is " in told), told
    chart = ET.parse(tmp_path / "x.svg").getroot()
    words = " ".join(text.text or "" for text in chart.iter(TEXT))
    assert all(row.case in words for row in results.rows if row.ratio or row.target)


def _sane(row: Row) -> None:
    for value in (row.value, row.other, row.ratio, row.cpu, row.cpu_ratio, row.peak):
        assert value is None or math.isfinite(value), row
    if row.unit == "s":
        assert 0.001 < row.value < 60, row
    if row.peak is not None:
        assert 3 < row.peak < 500, row
    if row.other is not None:
        assert row.other > 0, row
        assert row.ratio is not None, row
        assert row.ratio > 0, row


def test_missing_peers_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no peer is installed each is named, with what installs it; none is installed unasked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(peers, "CERTBOT", str(tmp_path))
    told: list[str] = []
    assert peers.all_peers(told.append) == {}
    assert [line.split()[0] for line in told] == list(peers.NAMES)
    assert all("tests/bench/run installs it" in line for line in told)


MACHINE: Mapping[str, str] = {"processor": "2 × Z80", "system": "CP/M", "load": "0.0"}


def results(*rows: Row, quick: bool = False) -> Results:
    return Results(MACHINE, quick, "2026-01-02", rows)


FAST = Row(
    "idle", "9 <certificates>", 0.01, "s", 3, "a|b", 1.0, 0.01, 0.01, 0.02, 14.0, 0.03, other_peak=50.0
)  # fmt: skip
SLOW = FAST._replace(benchmark="acme", value=2.0, ratio=2.0, note="it was late")
LIMIT = Row("daemon", "wake-ups", 0.0, "", 1, target=0)


def test_targets_are_judged_in_full_size_only() -> None:
    """The table says met or missed; of a --quick run it says that sizes were small."""
    full = table(results(FAST, SLOW, LIMIT))
    assert [line.split()[-1] for line in full.splitlines()[1:4]] == ["met", "missed", "met"]
    assert "≤ 0.03× wall" in full
    quick = table(results(FAST, SLOW, quick=True))
    assert "missed" not in quick
    assert "sizes are small" in quick
    documents: list[dict[str, Any]] = results(FAST, SLOW, LIMIT).document()["rows"]
    assert [row["met"] for row in documents] == [True, False, True]
    assert results(SLOW, quick=True).document()["rows"][0]["met"] is None


def test_rows_of_an_earlier_run(tmp_path: Path) -> None:
    """What was measured again takes the place of what was there; small and full sizes are not mixed."""
    before, now = results(FAST, SLOW), results(FAST._replace(value=0.5), LIMIT)
    assert [(row.benchmark, row.value) for row in now.after(before).rows] == [
        ("idle", 0.5), ("acme", 2.0), ("daemon", 0.0)
    ]  # fmt: skip
    with pytest.raises(SystemExit, match="do not belong together"):
        now.after(before._replace(quick=True))
    path = tmp_path / "x.json"
    path.write_text(json.dumps(before.document()), encoding="utf-8")
    assert list(read(str(path)).rows) == list(before.rows)


def test_publishing_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    """The page keeps its words, and gets the machine and the tables; chart and figures go beside it."""
    shutil.copytree(DOCS, tmp_path / "docs")
    page = tmp_path / publish.PAGE
    head, _, rest = page.read_text(encoding="utf-8").partition(publish.BEGIN)
    tail = rest.partition(publish.END)[2]
    for found in (results(SLOW), results(FAST, LIMIT)):
        publish.write(found, str(tmp_path))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(head + publish.BEGIN)
    assert text.endswith(publish.END + tail)
    assert "- processor: 2 × Z80" in text
    assert "| 9 <certificates> | 10 ms | 10 ms | 14 MiB | a\\|b | 1 s | 50 MiB |" in text
    assert "it was late" not in text
    assert "9 <certificates>" in " ".join(t.text or "" for t in ET.parse(tmp_path / publish.CHART).iter(TEXT))
    assert read(str(tmp_path / publish.FIGURES)).machine == MACHINE


def test_the_published_page_is_of_the_published_figures(tmp_path: Path) -> None:
    """docs/benchmarks.md and .svg say what docs/benchmarks.json holds."""
    shutil.copytree(DOCS, tmp_path / "docs")
    publish.write(read(str(DOCS / "benchmarks.json")), str(tmp_path))
    for name in publish.WRITES:
        assert (tmp_path / name).read_bytes() == (DOCS.parent / name).read_bytes()
