"""Where output goes: answers to standard output, progress, messages and questions to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from certctl.engine.outcome import Event
from certctl.errors import CertctlError, ConfigError
from certctl.system import text as plain


class LostOutputError(CertctlError):
    """Standard output takes no more; *nobody_listens*: since its reader has left."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.nobody_listens = isinstance(error, BrokenPipeError)


class Console:
    """What a person or a script sees."""

    def __init__(self, *, as_json: bool = False, verbose: int = 0, quiet: bool = False) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.quiet = quiet
        self._progress_shown = False

    def answer(self, text: str) -> None:
        """A line of the answer; what a terminal would obey in it is written out."""
        self._out(plain.line(text) + "\n")

    def page(self, text: str) -> None:
        """An answer of several lines, all of our making."""
        self._out(plain.lines(text) + "\n")

    def document(self, data: Any) -> None:
        """The one JSON document."""
        self._out(plain.to_json(data, indent=2) + "\n")

    def either(self, text: str, data: Any) -> None:
        """The answer in words, or with --json as a document."""
        if self.as_json:
            self.document(data)
        else:
            self.page(text)

    def flush(self) -> None:
        """Write what is still to be written; raises `LostOutputError`."""
        self._out("")

    def say(self, text: str) -> None:
        """A message, unless -q."""
        if not self.quiet:
            self._line(text)

    def insist(self, text: str) -> None:
        """A message about what is not well: an exit status other than 0 is never left without words."""
        self._line(text)

    def event(self, event: Event) -> None:
        """What happens, as it happens."""
        if event.level == "warning":
            self._line(f"certctl: warning: {event.subject}: {event.text}")
        elif (event.level == "info" and not self.quiet) or (event.level == "detail" and self.verbose):
            self._line(f"{event.subject}: {event.text}")

    def error(self, error: CertctlError, subject: str | None = None) -> None:
        """What went wrong, and what to type."""
        where = f"{subject}: " if subject else ""
        lines = error.problems if isinstance(error, ConfigError) else [error.message]
        for line in lines:
            self._line(f"certctl: error: {where}{line}")
        if error.hint:
            self._line(f"certctl: hint: {error.hint}")

    def failure(self, error: CertctlError) -> None:
        """What kept a command from its answer: in words, and with --json as its document, too."""
        self.error(error)
        if self.as_json:
            problems = error.problems if isinstance(error, ConfigError) else [error.message]
            told = {"message": error.message, "hint": error.hint, "problems": problems}
            self.document({"version": 1, "error": told})

    def progress(self, text: str) -> None:
        """A line that the next one replaces; only on a terminal."""
        if self.on_terminal:
            sys.stderr.write(f"\r\x1b[K{plain.line(text)[: self.width - 1]}")
            sys.stderr.flush()
            self._progress_shown = True

    def done_progress(self) -> None:
        if self._progress_shown:
            sys.stderr.write("\r\x1b[K")
            self._progress_shown = False

    @property
    def on_terminal(self) -> bool:
        return sys.stderr.isatty() and not self.quiet

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 in a pipe, and wherever it does not say."""
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _out(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            if not text:
                sys.stdout.flush()
        except OSError as error:
            raise LostOutputError(error) from None

    def _line(self, text: str) -> None:
        self.done_progress()
        # A pass goes on when nobody can be told of it.
        with contextlib.suppress(OSError):
            sys.stderr.write(plain.line(text) + "\n")
            sys.stderr.flush()


def table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> list[str]:
    """Columns as wide as their longest cell, two blanks between; the last column is not padded."""
    every = [header, *(tuple(map(plain.line, row)) for row in rows)]
    widths = [max(len(row[at]) for row in every) for at in range(len(header))]
    lines = []
    for row in every:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


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
