"""What benchmarks give: rows with a figure, what it is compared with, and the target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.bench.measure import Run, middle, ratio


class Row(NamedTuple):
    """One figure."""

    benchmark: str
    case: str
    value: float
    unit: str
    runs: int
    against: str = ""
    """What it is compared with; "" for a figure that stands for itself."""
    other: float | None = None
    """The same figure of that."""
    ratio: float | None = None
    cpu: float | None = None
    """Seconds of processors."""
    cpu_ratio: float | None = None
    peak: float | None = None
    """MiB."""
    target: float | None = None
    """The most that the ratio (or, standing for itself, the value) is to be."""
    judged: str = "wall"
    """wall or cpu: which of the ratios the target is for."""
    note: str = ""
    other_peak: float | None = None
    """MiB, of what it is compared with."""

    @property
    def judged_value(self) -> float:
        """What is compared with the target."""
        if self.ratio is None:
            return self.value
        assert self.cpu_ratio is not None or self.judged == "wall"
        return self.ratio if self.judged == "wall" else float(self.cpu_ratio or 0)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.judged_value <= self.target

    def document(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {**self._asdict(), "met": self.met}


class Results(NamedTuple):
    """What a run of the suite found."""

    machine: Mapping[str, str]
    quick: bool
    """Sizes were small: the figures say that it works, and targets are not for them."""
    day: str
    rows: Sequence[Row]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        rows = [row.document() | ({"met": None} if self.quick else {}) for row in self.rows]
        return {
            "version": 1,
            "day": self.day,
            "machine": dict(self.machine),
            "quick": self.quick,
            "rows": rows,
        }

    def after(self, before: Results) -> Results:
        """With those rows of *before* whose benchmark was not measured again, in the place they had."""
        if before.quick != self.quick:
            raise SystemExit(
                "one run was --quick and the other was not: their figures do not belong together"
            )
        now: dict[str, list[Row]] = {}
        for row in (*before.rows, *self.rows):
            now.setdefault(row.benchmark, [])
        for name in now:
            measured = [row for row in self.rows if row.benchmark == name]
            now[name] = measured or [row for row in before.rows if row.benchmark == name]
        return self._replace(rows=[row for rows in now.values() for row in rows])


def read(path: str) -> Results:
    """The results that an earlier run wrote with --json."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    rows = [Row(**{key: value for key, value in row.items() if key != "met"}) for row in found["rows"]]
    return Results(found["machine"], found["quick"], found["day"], rows)


def compared(
    benchmark: str,
    case: str,
    ours: Sequence[Run],
    against: str,
    theirs: Sequence[Run],
    *,
    target: float | None = None,
    judged: str = "wall",
    note: str = "",
) -> Row:
    """A row of seconds, beside those of somebody else."""
    mine, other = middle(ours), middle(theirs)
    return Row(
        benchmark, case, mine.wall, "s", len(ours), against, other.wall, ratio(ours, theirs), mine.cpu,
        ratio(ours, theirs, "cpu") if other.cpu else None, mine.peak, target, judged, note, other.peak or None,
    )  # fmt: skip


def alone(
    benchmark: str, case: str, runs: Sequence[Run], *, target: float | None = None, note: str = ""
) -> Row:
    """A row of seconds that stands for itself."""
    mine = middle(runs)
    return Row(
        benchmark, case, mine.wall, "s", len(runs), cpu=mine.cpu, peak=mine.peak, target=target, note=note
    )
