"""Questions to whoever sits at the terminal."""

from __future__ import annotations

import sys


def somebody() -> bool:
    """Whether a question would be seen, and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool | None:
    """Ask what y agrees to, and everything else does not; None: nobody is there to be asked."""
    if not somebody():
        return None
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
