"""A chart of ratios, each beside its target: one bar a row, on a logarithmic scale."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from tests.bench.result import Row

_LABELS, _BARS, _LINE, _TOP = 430, 360, 22, 60


def svg(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The chart as a document of its own; rows without a target are left out."""
    shown = [row for row in rows if row.target and row.judged_value > 0]
    height = _TOP + _LINE * len(shown) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS + 90}" height="{height}">',
        '<style>text { font: 12px sans-serif }</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="10" y="20" font-size="15">certctl beside its peers, as shares of the targets</text>',
        f'<text x="10" y="40" fill="#666">{html.escape(", ".join(f"{k} {v}" for k, v in machine.items()))}</text>',
    ]
    for at, row in enumerate(shown):
        parts += _bar(row, _TOP + at * _LINE)
    x = _LABELS + _BARS / 2
    parts.append(f'<line x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{height - 16}" stroke="#333" stroke-dasharray="3"/>')
    return "\n".join([*parts, "</svg>", ""])


def _bar(row: Row, y: int) -> list[str]:
    """Its end left of the middle: better than the target; a hundredth is the left edge, a hundredfold the right."""
    assert row.target is not None
    share = row.judged_value / row.target
    width = min(max(0.5 + math.log10(share) / 4, 0.01), 1.0) * _BARS
    colour = "#2a7d4f" if row.met else "#b5452c"
    label = html.escape(f"{row.benchmark}: {row.case}"[:70])
    return [
        f'<text x="{_LABELS - 8}" y="{y + 14}" text-anchor="end">{label}</text>',
        f'<rect x="{_LABELS}" y="{y + 3}" width="{width:.1f}" height="14" fill="{colour}"/>',
        f'<text x="{_LABELS + width + 4:.1f}" y="{y + 14}">{share:.2f}</text>',
    ]
