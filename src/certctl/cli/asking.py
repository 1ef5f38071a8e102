"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def somebody() -> bool:
    """Whether a question would be seen, and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def choose(question: str, words: Sequence[str]) -> str | None:
    """Ask for one of *words*, the first where nothing is typed; None: nobody is there to be asked."""
    if not somebody():
        return None
    while True:
        sys.stderr.write(f"{question} [{'/'.join(words)}; default {words[0]}] ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        found = [word for word in words if word.startswith(line.strip().lower())]
        if found or not line:
            return (found or words)[0]


def ask(question: str) -> bool | None:
    """Ask what y agrees to, and everything else does not; None: nobody is there to be asked."""
    if not somebody():
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
