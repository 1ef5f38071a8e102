"""docs/benchmarks.md: the results between its two marks, the chart, and the figures as JSON.

Write them from an earlier --json with: python -m tests.bench.publish FILE
"""

from __future__ import annotations

import json
import os
import re
import sys

from tests.bench import chart
from tests.bench.installed import ROOT
from tests.bench.report import SMALL, cells, verdict
from tests.bench.result import Results, Row, read

PAGE, CHART, FIGURES = WRITES = ("docs/benchmarks.md", "docs/benchmarks.svg", "docs/benchmarks.json")
BEGIN, END = "<!-- results: written by tests/bench/run --publish -->", "<!-- end of results -->"
_TITLES = ("case", "certctl", "cpu", "peak", "against", "its", "its peak", "ratio", "cpu ratio", "target", "")


def write(results: Results, root: str = ROOT) -> None:
    """Replace what is between the marks of the page, the chart and the figures below *root*."""
    page = os.path.join(root, PAGE)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not marked.search(text):
        raise SystemExit(f"{page} has no place for results: put {BEGIN} and {END} into it")
    block = f"{BEGIN}\n\n{markdown(results)}\n{END}"
    for path, content in (
        (page, marked.sub(lambda _: block, text)),
        (os.path.join(root, CHART), chart.svg(results)),
        (os.path.join(root, FIGURES), json.dumps(results.document(), indent=1, ensure_ascii=False) + "\n"),
    ):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)


def markdown(results: Results) -> str:
    """The machine, and one table for each benchmark."""
    parts = [
        f"Measured on {results.day}" + (" **in small sizes** (`--quick`)" if results.quick else "") + ":\n"
    ]
    parts += [f"- {key}: {value}" for key, value in results.machine.items()]
    if results.quick:
        parts += ["", f"{SMALL[:1].upper()}{SMALL[1:]}."]
    for name in dict.fromkeys(row.benchmark for row in results.rows):
        rows = [row for row in results.rows if row.benchmark == name]
        parts += ["", f"### {name}", "", *_table(rows, results.quick)]
        below = dict.fromkeys(row.note for row in rows if row.note)
        parts += [f"\n{note[:1].upper()}{note[1:]}." for note in below]
    return "\n".join([*parts, ""])


def _table(rows: list[Row], quick: bool) -> list[str]:
    """Columns that nothing is in are left out."""
    lines = [(*cells(row)[1:], verdict(row, quick)) for row in rows]
    used = [at for at in range(len(_TITLES)) if any(line[at] for line in lines)]
    shown = [[line[at].replace("|", "\\|") for at in used] for line in (_TITLES, *lines)]
    head, *body = ["| " + " | ".join(line) + " |" for line in shown]
    return [head, "|" + "---|" * len(used), *body]


if __name__ == "__main__":
    write(read(sys.argv[1]))
