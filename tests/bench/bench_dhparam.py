"""How long a safe prime takes: certctl with one worker and with all, against openssl dhparam.

Whole processes, started in turn so that a busy machine burdens all alike. How many
candidates a search needs is exponentially distributed, so a mean of n runs is off by
1/sqrt(n) of itself (the ± of the table). "cores" is how many processors a run had on
average: where that is less than its workers, others used them, and only the ratio of
processor times says something.

    python tests/bench/bench_dhparam.py [--runs N] [--openssl-runs N] [--bits N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from statistics import mean, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.bench.result import Row
    from tests.bench.setting import Setting

NAME = "dhparam"
WHAT = "DH parameters of 2048 bits, one core and all, means of many, against openssl dhparam"

# Mean time as a share of openssl's mean time, for primes of this size.
TARGET_BITS = 2048
RUNS = (60, 30)
"""Of each of ours, and of openssl, which takes several times as long."""
TARGET_ONE_WORKER = 0.4
TARGET_TWO_WORKERS = 0.2

_SEARCH = """
import sys
from certctl.dhparam.search import find_safe_prime
find_safe_prime(int(sys.argv[1]), workers=int(sys.argv[2]))
"""


class Contestant(NamedTuple):
    """A way to search; *target* is the share of openssl's mean time that it may take."""

    name: str
    command: list[str]
    workers: int
    runs: int
    target: float | None


class Run(NamedTuple):
    """Seconds on the clock, and of processors."""

    wall: float
    cpu: float


def contestants(
    bits: int, runs: int, openssl_runs: int, openssl: str, python: str = sys.executable
) -> list[Contestant]:
    """Return who competes; all processors only where there are more than one."""
    usable = len(os.sched_getaffinity(0))
    one, two = (TARGET_ONE_WORKER, TARGET_TWO_WORKERS) if bits == TARGET_BITS else (None, None)
    command = [python, "-c", _SEARCH, str(bits)]
    field = [
        Contestant("openssl dhparam", [openssl, "dhparam", str(bits)], 1, openssl_runs, None),
        Contestant("certctl, 1 worker", [*command, "1"], 1, runs, one),
    ]
    if usable > 1:
        name = f"certctl, {usable} workers"
        field.append(Contestant(name, [*command, str(usable)], usable, runs, two))
    return field


def measure(command: list[str]) -> Run:
    """Run *command* to its end and return what it took."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} failed with status {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)


def compete(field: list[Contestant]) -> dict[str, list[Run]]:
    """Return the runs of each contestant, who take turns; who runs less often is spread over all turns."""
    results: dict[str, list[Run]] = {one.name: [] for one in field}
    turns = max(one.runs for one in field)
    for turn in range(1, turns + 1):
        for one in field:
            if len(results[one.name]) < turn * one.runs // turns:
                results[one.name].append(measure(one.command))
    return results


def summary(one: Contestant, runs: list[Run], base: list[Run]) -> dict[str, object]:
    """Return the figures of *one*, as ratios to the *base* too."""
    walls = [run.wall for run in runs]
    wall, cpu = mean(walls), mean(run.cpu for run in runs)
    return {
        "name": one.name,
        "runs": len(runs),
        "mean": wall,
        "standard_error": wall / len(runs) ** 0.5,
        "median": quantiles(walls, n=10, method="inclusive")[4] if len(runs) > 1 else wall,
        "p90": quantiles(walls, n=10, method="inclusive")[8] if len(runs) > 1 else wall,
        "cpu": cpu,
        "cores": cpu / wall,
        "workers": one.workers,
        "ratio": wall / mean(run.wall for run in base),
        "cpu_ratio": cpu / mean(run.cpu for run in base),
        "target": one.target,
    }


def table(rows: list[dict[str, object]]) -> str:
    """Return the *rows* as text."""
    titles = (("runs", 27), ("mean", 9), ("±", 7), ("median", 9), ("p90", 9), ("cpu", 9), ("cores", 7))
    head = "".join(f"{title:>{width}}" for title, width in (*titles, ("ratio", 8), ("cpu ratio", 11)))
    lines = [head + "  target"]
    for row in rows:
        met = ""
        if row["target"] is not None:
            verdict = "met" if float(str(row["ratio"])) <= float(str(row["target"])) else "missed"
            met = f"  ≤ {row['target']}: {verdict}"
        figures = "{runs:5}{mean:8.2f}s{standard_error:7.2f}{median:8.2f}s{p90:8.2f}s{cpu:8.2f}s{cores:7.2f}"
        lines.append(f"{row['name']:22}" + (figures + "{ratio:8.2f}{cpu_ratio:11.2f}").format(**row) + met)
    if any(float(str(row["cores"])) < 0.8 * int(str(row["workers"])) for row in rows):
        lines.append("others used the processors meanwhile: see cores, and measure again on a quiet machine")
    return "\n".join(lines)


def rows(setting: Setting) -> list[Row]:
    """The same as rows of the suite; with quick sizes a prime that is soon found."""
    from tests.bench.result import Row

    openssl = shutil.which("openssl")
    if openssl is None:
        setting.say("openssl is missing: no DH parameters are measured")
        return []
    bits, runs, openssl_runs = setting.size((2048, *RUNS), quick=(512, 1, 1))
    field = contestants(bits, runs, openssl_runs, openssl, setting.installed().python)
    results = compete(field)
    base: dict[str, Any] = summary(field[0], results[field[0].name], results[field[0].name])
    found = []
    for one in field[1:]:
        mine: dict[str, Any] = summary(one, results[one.name], results[field[0].name])
        found.append(
            Row(
                NAME, f"{bits} bits, {one.workers} of the cores", mine["mean"], "s", runs, field[0].name,
                base["mean"], mine["ratio"], mine["cpu"], mine["cpu_ratio"], target=one.target,
                note=f"means, not medians, which is how long one waits in the end; each is off by 1/√runs of itself, "
                f"and openssl was run {openssl_runs} times",
            )
        )  # fmt: skip
    return found


def main() -> None:
    """Parse the command line, compete, and print."""
    parser = argparse.ArgumentParser(description="certctl's search for DH parameters against openssl's")
    parser.add_argument("--runs", type=int, default=20, metavar="N", help="of each of ours (default 20)")
    parser.add_argument("--openssl-runs", type=int, metavar="N", help="of openssl (default: as --runs)")
    parser.add_argument(
        "--bits", type=int, default=2048, metavar="N", help="size of the prime (default 2048)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SystemExit("there is no openssl to compare with: install it")
    field = contestants(options.bits, options.runs, options.openssl_runs or options.runs, openssl)
    results = compete(field)
    rows = [summary(one, results[one.name], results[field[0].name]) for one in field]
    if options.json:
        print(json.dumps({"benchmark": "dhparam", "bits": options.bits, "rows": rows}, indent=1))
    else:
        print(f"a safe prime of {options.bits} bits, {subprocess.getoutput('openssl version')}")
        print(table(rows))


if __name__ == "__main__":
    main()
