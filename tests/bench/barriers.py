"""How often a program waits for the disk, by strace."""

from __future__ import annotations

import re
import shutil

from tests.bench.measure import Command, run
from tests.bench.setting import Setting

NOTE = "fsync and syncfs counted by strace, what is kept of hook runs included"


def count(setting: Setting, command: Command) -> int:
    """How many fsync(2), fdatasync(2) and syncfs(2) *command* makes."""
    strace = shutil.which("strace")
    if strace is None:
        raise RuntimeError("strace is missing: apt-get install strace")
    log = setting.directory("strace")
    trace = [strace, "-f", "-o", log, "-e", "trace=fsync,fdatasync,syncfs"]
    run(command._replace(argv=[*trace, *command.argv]))
    with open(log, encoding="utf-8", errors="replace") as file:
        return sum(1 for line in file if re.search(r"\b(fsync|fdatasync|syncfs)\(", line))
