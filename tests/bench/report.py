"""The table, and rows from a file."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.bench.result import Row

TITLES = ("benchmark", "case", "certctl", "cpu", "peak", "against", "its", "ratio", "cpu ratio", "target", "")


def cells(row: Row) -> tuple[str, ...]:
    """One row as words."""
    return (
        row.benchmark,
        row.case,
        number(row.value, row.unit),
        "" if row.cpu is None else number(row.cpu, "s"),
        "" if row.peak is None else f"{row.peak:.0f} MiB",
        row.against,
        "" if row.other is None else number(row.other, row.unit),
        "" if row.ratio is None else short(row.ratio),
        "" if row.cpu_ratio is None else short(row.cpu_ratio),
        target(row),
        "" if row.met is None else "met" if row.met else "missed",
    )


def target(row: Row) -> str:
    """The target in words: of the ratio, or of the value."""
    if row.target is None:
        return ""
    if row.ratio is None:
        return f"≤ {number(row.target, row.unit)}"
    return f"≤ {row.target:g}× {row.judged}"


def number(value: float, unit: str) -> str:
    """A figure with its unit, in three digits."""
    if unit == "s":
        return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
    return f"{value:.4g} {unit}".rstrip()


def short(value: float) -> str:
    return f"{value:.3g}×" if value < 10 else f"{value:.0f}×"


def table(rows: Sequence[Row]) -> str:
    """All rows, in columns, notes below."""
    lines = [TITLES, *(cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(TITLES))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    notes = dict.fromkeys(f"{row.benchmark}: {row.note}" for row in rows if row.note)
    return "\n".join([*text, *([""] if notes else []), *notes])


def markdown(rows: Sequence[Row]) -> str:
    """The same as a Markdown table."""
    lines = ["| " + " | ".join(TITLES) + " |", "|" + "---|" * len(TITLES)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def read(path: str) -> list[Row]:
    """The rows of an earlier run."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)["rows"]
    return [Row(**{key: value for key, value in row.items() if key != "met"}) for row in found]


def merged(before: Sequence[Row], now: Sequence[Row]) -> list[Row]:
    """Rows of *before* whose benchmark was not measured again, then those of *now*."""
    again = {row.benchmark for row in now}
    return [*(row for row in before if row.benchmark not in again), *now]
