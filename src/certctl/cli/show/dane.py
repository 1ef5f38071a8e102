"""probe --dane: a line for each address, key and server of the zone; under it what does not agree."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.app.daneprobing import Checked, failed
from certctl.cli.console import Console, table
from certctl.errors import EXIT_FAILED, EXIT_OK


def show(console: Console, found: Sequence[Checked]) -> int:
    """Print what was met; the exit status."""
    rows: dict[tuple[str, ...], None] = {}
    for item in found:
        for one in item.agreements:
            serial = "-" if one.teller.serial is None else str(one.teller.serial)
            agrees = "yes" if one.agrees else "no"
            key = f"{one.algorithm} {one.key_sha256[:11]}…"
            rows[(item.target.owner, one.address, key, one.teller.server, serial, agrees)] = None
    header = ("TLSA OF", "SERVED AT", "KEY", "SERVER OF THE ZONE", "SERIAL", "AGREES")
    for line in table(list(rows), header) if rows else ():
        console.answer(line)
    for item in found:
        validation = item.case.validation
        if validation is not None and validation.state == "secure":
            console.answer(f"{item.target.owner}: validated by {validation.resolver}")
    for item in found:
        for difference in item.differences:
            address = difference.address
            where = f" ({address})" if address and address not in difference.message else ""
            console.answer("")
            console.answer(f"{difference.severity}: {difference.url}{where}: {difference.message}")
            if difference.fix:
                console.answer(f"  {difference.fix}")
    return EXIT_FAILED if failed(found) else EXIT_OK
