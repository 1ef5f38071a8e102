"""What a page of documentation says to type, and what it says comes back.

A fenced block is run if the line before it is the comment ``<!-- transcript -->``:

- in a ``console`` block, lines that begin with ``$ `` are commands (``> ``: the
  line before goes on), and the lines after a command are its output;
- any other block is one command. What it prints is shown by a block that is marked
  ``<!-- transcript: output -->``, or not at all.

``<!-- transcript: hidden`` … ``-->`` holds a command that is run and not shown: it
sets a stage that would be in a reader's way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_MARKED = re.compile(
    r"^<!-- transcript: hidden\n(?P<hidden>.*?)^-->$"
    r"|^<!-- transcript(?P<output>: output)? -->\n```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Command(NamedTuple):
    """Something to type."""

    place: str
    """Page and line, for whoever mends it."""
    text: str
    expected: tuple[str, ...] | None
    """The lines that come back; None: whatever."""


def commands(page: Path) -> list[Command]:
    """Everything that *page* marks to be run, in its order."""
    text = page.read_text(encoding="utf-8")
    found: list[Command] = []
    for match in _MARKED.finditer(text):
        group = "hidden" if match["hidden"] is not None else "body"
        line = text.count("\n", 0, match.start(group)) + 1
        if match["output"]:
            found[-1] = found[-1]._replace(expected=tuple(match["body"].splitlines()))
        elif match["kind"] == "console":
            found += _console(page.name, line, match["body"].splitlines())
        else:
            found.append(Command(f"{page.name}:{line}", match[group], None))
    marks = len(re.findall(r"^<!-- transcript", text, re.MULTILINE))
    assert marks == len(list(_MARKED.finditer(text))), f"{page.name}: a transcript comment without its block"
    return found


def _console(page: str, first: int, lines: list[str]) -> Iterator[Command]:
    command: Command | None = None
    for number, line in enumerate(lines, first):
        if line.startswith("$ "):
            if command is not None:
                yield command
            command = Command(f"{page}:{number}", line[2:], ())
        elif command is None:
            raise AssertionError(f"{page}:{number}: output without a command")
        elif line.startswith("> ") and not command.expected:
            command = command._replace(text=f"{command.text}\n{line[2:]}")
        else:
            command = command._replace(expected=(*(command.expected or ()), line))
    if command is not None:
        yield command
