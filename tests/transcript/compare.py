"""Whether output is what a page shows, but for what differs from run to run.

On both sides, each moment, age and fingerprint counts as equal to any other, and so
does the width of gaps in tables. On the page, ``…`` stands for anything within a
line, a line ``…`` for any lines, and ``AA:BB:…`` for a fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_DURATION = r"\d+[wdhms](?: \d+[dhms])?"
_VARYING = (
    (re.compile(r"\b(?:[0-9A-F]{2}:){15,31}[0-9A-F]{2}\b|\b(?:[0-9A-F]{2}:)+…"), "<fingerprint>"),
    (re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{6,}…"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: UTC|Z)?"), "<moment>"),
    (re.compile(r"\b\d{8}T\d{6}Z\b|\b\d{4}-\d\d-\d\d\b"), "<moment>"),
    (re.compile(rf"\bin {_DURATION}|\b{_DURATION} ago\b|(?<=\(){_DURATION}(?=\))"), "<age>"),
    (re.compile(r"(?<=\S) {2,}"), " "),
)


def normal(line: str) -> str:
    """*line* without what differs from run to run."""
    for pattern, word in _VARYING:
        line = pattern.sub(word, line)
    return line.rstrip()


def difference(expected: Sequence[str], got: Sequence[str]) -> str | None:
    """How *got* differs from what the page shows; None: it does not."""
    lines = [normal(line) for line in got]
    pattern = "".join(_pattern(normal(line)) for line in expected)
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)):
        return None
    shown = "\n".join(f"  | {line}" for line in expected)
    came = "\n".join(f"  | {line}" for line in got)
    return f"the page shows\n{shown}\nbut what comes is\n{came}"


def _pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return r"[^\n]*?".join(re.escape(piece) for piece in line.split("…")) + r"\n"
