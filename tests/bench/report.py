"""The table."""

from __future__ import annotations

from tests.bench.result import Results, Row

TITLES = (
    "benchmark", "case", "certctl", "cpu", "peak", "against", "its", "its peak", "ratio", "cpu ratio", "target", "",
)  # fmt: skip
SMALL = (
    "sizes are small (--quick): this shows that the suite works; targets are for full sizes, and not judged"
)


def cells(row: Row) -> tuple[str, ...]:
    """One row as words."""
    return (
        row.benchmark,
        row.case,
        number(row.value, row.unit),
        "" if row.cpu is None else number(row.cpu, "s"),
        memory(row.peak),
        row.against,
        "" if row.other is None else number(row.other, row.unit),
        memory(row.other_peak),
        "" if row.ratio is None else short(row.ratio),
        "" if row.cpu_ratio is None else short(row.cpu_ratio),
        target(row),
    )


def memory(peak: float | None) -> str:
    return "" if peak is None else f"{peak:.0f} MiB"


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


def table(results: Results) -> str:
    """All rows, in columns, notes below."""
    lines = [TITLES, *((*cells(row), verdict(row, results.quick)) for row in results.rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(TITLES))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    below = notes(results)
    return "\n".join([*text, *([""] if below else []), *below])


def verdict(row: Row, quick: bool) -> str:
    """Whether the target is reached; those of small sizes are not judged."""
    return "" if row.met is None or quick else "met" if row.met else "missed"


def notes(results: Results) -> list[str]:
    """What the figures need to be understood, once each."""
    found = [f"{row.benchmark}: {row.note}" for row in results.rows if row.note]
    return [*([SMALL] if results.quick else []), *dict.fromkeys(found)]
