"""docs/commands.md: what `certctl --help` says, all of it.

Write it anew with: python -m tests.transcript.commands_page
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from certctl.cli.commands import COMMANDS

PAGE = Path(__file__).parents[2] / "docs/commands.md"

HEAD = """\
# Commands

What `certctl --help` and `certctl COMMAND --help` print. Answers go to standard output, messages and
progress to standard error; with `--json` one document goes to standard output, and nothing else. What the
words mean, and what to type when: [operation.md](operation.md).
"""


def page() -> str:
    """The page as it should be now."""
    chapters = [HEAD, _block([])]
    chapters += [f"## {name}\n\n{_block([name])}" for name in COMMANDS]
    return "\n".join(chapters)


def words(text: str) -> list[str]:
    """*text* without what differs from one Python to the next: line breaks, gaps, `-n N, --lines N`."""
    return re.sub(r"(-\w) ([A-Z]+), (--\w+ \2)", r"\1, \3", text).split()


def _block(arguments: list[str]) -> str:
    process = subprocess.run(
        [sys.executable, "-m", "certctl", *arguments, "--help"], capture_output=True, text=True, check=True
    )
    return f"```text\n{process.stdout.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
