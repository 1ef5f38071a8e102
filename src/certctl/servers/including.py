"""Files that a configuration takes in: bounded in depth, number and size, whatever includes what."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from itertools import islice

from certctl.servers.files import read_text

DEEPEST = 10
MOST_FILES = 2000
MOST_TEXT = 16 << 20
"""Characters of all files together."""


class Includes:
    """What one configuration has taken in so far; what is beyond the bounds counts as not there."""

    def __init__(self) -> None:
        self._depth = 0
        self._files = MOST_FILES
        self._text = MOST_TEXT

    def texts(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Path and text of each file that *pattern* matches; what is taken in before the next lies deeper."""
        if self._depth >= DEEPEST:
            return
        self._depth += 1
        try:
            for name in sorted(islice(glob.iglob(pattern), self._files)):
                text = read_text(name) if self._files > 0 else None
                if text is None or len(text) > self._text:
                    continue
                self._files -= 1
                self._text -= len(text)
                yield name, text
        finally:
            self._depth -= 1
