"""Charts: how long certctl takes beside others, on a logarithmic scale, and how much of its limits it uses."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

from tests.bench.report import number, short, target
from tests.bench.result import Results, Row

_LABELS, _BARS, _WIDTH, _LINE = 470, 360, 920, 20
_FROM, _TO = -3, 1
"""Powers of ten at the edges of the ratios."""
_COLOURS = {True: "#2a7d4f", False: "#b5452c", None: "#8a94a0"}


def svg(results: Results) -> str:
    """The chart as a document of its own."""
    beside = [row for row in results.rows if row.ratio is not None]
    limits = [row for row in results.rows if row.ratio is None and row.target is not None]
    body: list[str] = []
    y = 26
    body += [
        _text(14, y, "certctl beside its peers", size=16),
        _text(
            14,
            y + 20,
            f"{results.day}, {results.machine['processor']}, {results.machine['system']}",
            grey=True,
        ),
        _text(14, y + 38, _legend(results.quick), grey=True),
    ]
    y += 62
    if beside:
        body += _ratios(beside, y, results.quick)
        y += _LINE * len(beside) + 50
    if limits:
        body += [_text(14, y, "against limits of its own", size=14)]
        for row in limits:
            y += _LINE
            body += _limit(row, y, results.quick)
    height = y + 20
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        '<style>text { font: 12px sans-serif }</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        *body,
        "</svg>",
        "",
    ])  # fmt: skip


def _legend(quick: bool) -> str:
    if quick:
        return "small sizes (--quick): shows that the suite works, not how fast anything is"
    return "green: the target (black mark) is met; red: it is missed; grey: there is none. Shorter is better."


def _ratios(rows: Sequence[Row], y: int, quick: bool) -> Iterator[str]:
    """One bar a row, from the left edge to the ratio; lines at powers of ten."""
    bottom = y + 8 + _LINE * len(rows)
    for power in range(_FROM, _TO + 1):
        x = _place(10.0**power)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{bottom}" stroke="{"#555" if power == 0 else "#ddd"}"/>'
        yield _text(x, y - 5, "as long" if power == 0 else f"{10.0**power:g}×", grey=True, anchor="middle")
    for at, row in enumerate(rows):
        top = y + 6 + at * _LINE
        label = f"{row.benchmark}: {row.case} / {row.against}"
        mark = None if row.target is None or quick else _place(row.target)
        yield from _bar(
            label, short(row.judged_value), top, _place(row.judged_value), _colour(row, quick), mark
        )


def _limit(row: Row, y: int, quick: bool) -> Iterator[str]:
    share = row.value / row.target if row.target else float(row.value > 0)
    words = f"{number(row.value, row.unit)} ({target(row)})"
    whole = _BARS / 1.6
    end = _LABELS + min(max(share, 0.0), 1.2) * whole
    mark = None if quick else _LABELS + whole
    yield from _bar(f"{row.benchmark}: {row.case}", words, y, end, _colour(row, quick), mark)


def _colour(row: Row, quick: bool) -> str:
    return _COLOURS[None if quick else row.met]


def _bar(label: str, words: str, y: int, end: float, colour: str, mark: float | None) -> Iterator[str]:
    """*label* left of a bar that ends at *end*, *words* right of it and of the *mark* of a target."""
    shown = label if len(label) <= 76 else f"{label[:75]}…"
    yield _text(_LABELS - 8, y + 11, shown, anchor="end")
    yield f'<rect x="{_LABELS}" y="{y}" width="{max(end - _LABELS, 1):.1f}" height="14" fill="{colour}"/>'
    if mark is not None:
        yield f'<rect x="{mark - 1:.1f}" y="{y - 1}" width="2" height="16" fill="black"/>'
    yield _text(max(end, mark or 0) + 5, y + 11, words)


def _place(ratio: float) -> float:
    """Where *ratio* is; what is beyond the edges is at the edges."""
    share = (math.log10(max(ratio, 1e-9)) - _FROM) / (_TO - _FROM)
    return _LABELS + min(max(share, 0.0), 1.0) * _BARS


def _text(
    x: float, y: float, words: str, *, size: int = 12, grey: bool = False, anchor: str = "start"
) -> str:
    fill = ' fill="#666"' if grey else ""
    style = f' style="font-size: {size}px"' if size != 12 else ""
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}"{fill}{style}>{html.escape(words)}</text>'
