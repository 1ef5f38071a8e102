"""What every benchmark is handed: a scratch directory, sizes, and the programs to measure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from tests.bench.installed import Installed

T = TypeVar("T")


class Setting(NamedTuple):
    """One run of the suite."""

    scratch: str
    """A directory of its own, removed at the end."""
    install: Callable[[], Installed]
    quick: bool = False

    def installed(self) -> Installed:
        """certctl, as users have it."""
        return self.install()

    def directory(self, name: str) -> str:
        """A path below the scratch directory, which does not exist yet."""
        path, count = os.path.join(self.scratch, name), 1
        while os.path.lexists(path):
            count += 1
            path = os.path.join(self.scratch, f"{name}-{count}")
        return path

    def runs(self, number: int, *, quick: int = 1) -> int:
        """How often."""
        return quick if self.quick else number

    def size(self, number: T, *, quick: T) -> T:
        """How many."""
        return quick if self.quick else number

    def say(self, text: str) -> None:
        """Tell whoever waits."""
        print(f"bench: {text}", file=sys.stderr, flush=True)
