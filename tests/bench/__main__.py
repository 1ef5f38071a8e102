"""python -m tests.bench [NAME…]: run the benchmarks, print a table of ratios with the targets beside them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile

from tests.bench import chart, machine, report, suite
from tests.bench.installed import install
from tests.bench.setting import Setting


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="certctl beside its peers")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; default: all")
    parser.add_argument("--list", action="store_true", help="list them")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, not how fast")
    parser.add_argument("--json", metavar="FILE", help="write the result as JSON, too")
    parser.add_argument("--svg", metavar="FILE", help="write a chart, too")
    parser.add_argument("--from", metavar="FILE", dest="before", help="start from the rows of an earlier --json")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{module.NAME:14}{module.WHAT}" for module in suite.ALL))
        return
    chosen = suite.chosen(options.names)
    scratch = tempfile.mkdtemp(prefix="certctl-bench-")
    os.chmod(scratch, 0o755)
    try:
        found = suite.measure(chosen, Setting(scratch, install, options.quick))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if options.before:
        found = report.merged(report.read(options.before), found)
    document = {"version": 1, "machine": machine.described(), "quick": options.quick,
                "rows": [row.document() for row in found]}  # fmt: skip
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(chart.svg(found, machine.described()))
    print(report.table(found))


if __name__ == "__main__":
    main()
