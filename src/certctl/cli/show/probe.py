"""probe: a line for each address and kind of key, and under it what is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.app.probing import Probed
from certctl.app.wiring import clock
from certctl.cli.console import Console, table
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.times import from_now


def show(console: Console, found: Sequence[Probed]) -> int:
    """Print what was met; the exit status."""
    rows: dict[tuple[str, ...], None] = {}
    prints: dict[str, None] = {}
    for item in found:
        wrong = {(one.address, one.offered) for one in item.differences if one.severity == "error"}
        for served in item.served:
            leaf = served.chain[0] if served.chain else None
            rows[
                (
                    item.url,
                    served.address,
                    leaf.algorithm if leaf else served.offered or "-",
                    served.protocol or "-",
                    served.cipher or "-",
                    served.group or "-",
                    from_now(leaf.not_after, clock()) if leaf else "-",
                    "no" if (served.address, served.offered) in wrong else "yes" if leaf else "-",
                )
            ] = None
            if leaf:
                prints[f"  {item.url} {leaf.algorithm}: key {leaf.key_sha256}"] = None
                prints[f"  {item.url} {leaf.algorithm}: certificate {leaf.sha256}"] = None
    header = ("URL", "ADDRESS", "KEY", "PROTOCOL", "CIPHER", "GROUP", "EXPIRES", "AS IT SHOULD BE")
    for line in table(list(rows), header):
        console.answer(line)
    if prints:
        console.answer("")
        console.answer("fingerprints that peers see (sha256):")
        for line in prints:
            console.answer(line)
    failed = False
    for item in found:
        for one in item.differences:
            console.answer("")
            console.answer(f"{one.severity}: {one.url} ({one.address}): {one.message}")
            if one.fix:
                console.answer(f"  {one.fix}")
            failed = failed or one.severity == "error"
    return EXIT_FAILED if failed else EXIT_OK
