"""python -m tests.bench [NAME…]: run the benchmarks, print a table of ratios with the targets beside them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Sequence

from tests.bench import chart, installed, machine, peers, publish, report, suite
from tests.bench.result import Results, Row, read
from tests.bench.setting import Setting


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print; exit 1 if a benchmark failed."""
    options = _parser().parse_args(argv)
    if options.list:
        print("\n".join(f"{module.NAME:14}{module.WHAT}" for module in suite.ALL))
        return
    results, failed = _measured(options)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(chart.svg(results))
    if options.publish:
        publish.write(results)
    print(report.table(results))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)} (see above)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="certctl beside its peers")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; default: all")
    parser.add_argument("--list", action="store_true", help="list them")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, not how fast")
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON, too")
    parser.add_argument("--svg", metavar="FILE", help="write a chart, too")
    parser.add_argument(
        "--publish", action="store_true", help=f"write it into {', '.join(publish.WRITES)}, too"
    )
    parser.add_argument(
        "--from", metavar="FILE", dest="before", help="start from the rows of an earlier --json"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=peers.NAMES,
        help="leave this peer out",
        metavar="PEER",
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="measure this environment's certctl instead of installing the checkout",
    )
    return parser


def _measured(options: argparse.Namespace) -> tuple[Results, list[str]]:
    """All that was found, and which benchmarks failed. --json has what there is after each benchmark."""
    chosen = suite.chosen(options.names)
    begun = Results(machine.described(), options.quick, machine.day(), [])
    earlier = read(options.before) if options.before else begun
    before, peers.left_out = peers.left_out, frozenset(options.without)

    def keep(rows: Sequence[Row]) -> None:
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(
                    begun._replace(rows=rows).after(earlier).document(), file, indent=1, ensure_ascii=False
                )

    scratch = tempfile.mkdtemp(prefix="certctl-bench-")
    os.chmod(scratch, 0o755)  # servers and hooks of other users get in
    install = installed.here if options.here else installed.install
    try:
        rows, failed = suite.measure(chosen, Setting(scratch, install, options.quick), keep)
    finally:
        peers.left_out = before
        shutil.rmtree(scratch, ignore_errors=True)
    return begun._replace(rows=rows).after(earlier), failed


if __name__ == "__main__":
    main()
