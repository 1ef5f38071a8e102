"""Whole processes, measured: on the clock, of processors, and at their largest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple


class Run(NamedTuple):
    """What one run took."""

    wall: float
    """Seconds on the clock."""
    cpu: float
    """Seconds of processors, children that were waited for included."""
    peak: float
    """MiB of memory at its largest (of the largest of its processes)."""

    def times(self, factor: float) -> Run:
        """As many such runs, one after the other."""
        return Run(self.wall * factor, self.cpu * factor, self.peak)


class Command(NamedTuple):
    """A program as it is measured."""

    argv: Sequence[str]
    env: Mapping[str, str] = {}
    """Beside PATH, HOME and LC_ALL: nothing of the caller's environment is handed on."""
    cwd: str | None = None
    status: Sequence[int] = (0,)
    """With which it may end."""


class Contestant(NamedTuple):
    """What takes turns with others."""

    name: str
    work: Callable[[], Run]
    prepare: Callable[[], object] = lambda: None
    """Called before each turn, outside of what is measured."""


def environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """What every program gets: nothing that would make Python compile anew or flush often."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


# Linux counts the memory of whoever calls exec(2) as the program's own, so a small process starts it.
_LAUNCH = """
import os, sys, time
start = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - start
cpu, code = usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status)
sys.stderr.write(f"\\n{wall} {cpu} {usage.ru_maxrss / 1024} {code}")
"""


def run(command: Command) -> Run:
    """Run *command* to its end, its output in a pipe. Raises RuntimeError with its output if it fails."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, *command.argv], env=environment(command.env),
        cwd=command.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    words = done.stderr.rpartition(b"\n")[2].split()
    if len(words) != 4 or int(words[3]) not in command.status:
        text = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command.argv)} failed:\n{text}")
    return Run(float(words[0]), float(words[1]), float(words[2]))


def in_turn(field: Sequence[Contestant], runs: int, *, warm: bool = True) -> dict[str, list[Run]]:
    """Let everybody run *runs* times: A B A B …, so that a busy machine burdens all alike."""
    results: dict[str, list[Run]] = {one.name: [] for one in field}
    for turn in range(-1 if warm else 0, runs):
        for one in field:
            one.prepare()
            took = one.work()
            if turn >= 0:
                results[one.name].append(took)
    return results


def middle(runs: Sequence[Run]) -> Run:
    """The medians of *runs*."""
    return Run(*(median(values) for values in zip(*runs, strict=True)))


def ratio(ours: Sequence[Run], theirs: Sequence[Run], field: str = "wall") -> float:
    """The median of the ratios of pairs; of medians where they did not run equally often."""
    if len(ours) == len(theirs):
        return float(median(getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)))
    return float(getattr(middle(ours), field) / getattr(middle(theirs), field))
