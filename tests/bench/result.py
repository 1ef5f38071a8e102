"""What benchmarks give: rows with a figure, what it is compared with, and the target."""

from __future__ import annotations

from collections.abc import Sequence
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
        ratio(ours, theirs, "cpu") if other.cpu else None, mine.peak, target, judged, note,
    )  # fmt: skip


def alone(
    benchmark: str, case: str, runs: Sequence[Run], *, target: float | None = None, note: str = ""
) -> Row:
    """A row of seconds that stands for itself."""
    mine = middle(runs)
    return Row(benchmark, case, mine.wall, "s", len(runs), cpu=mine.cpu, peak=mine.peak, target=target, note=note)
