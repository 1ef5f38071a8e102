"""probe: connect, and compare what is served with what should be; with --dane, with the zone's records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from certctl.cli.arguments import Arguments, Parser, load_spec, load_spec_if_any
from certctl.cli.console import Console, table
from certctl.errors import EXIT_FAILED, EXIT_OK, UsageError
from certctl.planning.times import from_now, rfc3339

if TYPE_CHECKING:
    from certctl.app.daneprobing import Checked
    from certctl.app.probing import Probed
    from certctl.planning.spec import Spec


def probe_arguments(parser: Parser) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        metavar="NAME|URL",
        help="a certificate, and URLs to probe in place of its own; default: all that are configured",
    )
    parser.add_argument(
        "--dane",
        action="store_true",
        help="compare what is served with the TLSA records at every server of the zone",
    )
    parser.add_argument(
        "--resolver",
        default="",
        metavar="HOST[:PORT]",
        help="with --dane: who is asked for addresses and the AD bit; default: that of resolv.conf",
    )
    parser.set_defaults(call=probe)


def probe(arguments: Arguments, console: Console) -> int:
    from certctl.app import probing
    from certctl.app.wiring import clock

    urls = [word for word in arguments.what if "://" in word]
    names = [word for word in arguments.what if "://" not in word]
    if len(names) > 1:
        raise UsageError(f"one certificate at a time: {' '.join(names)}", "certctl probe NAME URL…")
    spec = load_spec(arguments) if names or not urls else None
    if arguments.dane:
        return _dane(console, spec or load_spec_if_any(arguments), names, urls, arguments.resolver)
    if arguments.resolver:
        raise UsageError("--resolver goes with --dane", "certctl probe --dane --resolver HOST")
    found = probing.probe(spec, names[0] if names else None, urls)
    if console.as_json:
        console.document(_document(found, clock()))
        wrong = any(one.severity == "error" for item in found for one in item.differences)
        return EXIT_FAILED if wrong else EXIT_OK
    return _show(console, found)


def _show(console: Console, found: Sequence[Probed]) -> int:
    """A line for each address and kind of key, and under it what is not as it should be; the exit status."""
    from certctl.app.wiring import clock

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


def _document(found: Sequence[Probed], now: datetime) -> dict[str, Any]:
    """The document of ``probe --json``."""
    from certctl.deploy.probe import as_json

    return {
        "version": 1,
        "now": rfc3339(now),
        "probes": [
            {
                "certificate": item.certificate,
                "url": item.url,
                "served": [as_json(one) for one in item.served],
                "differences": [as_json(one) for one in item.differences],
            }
            for item in found
        ],
    }


def _dane(console: Console, spec: Spec | None, names: list[str], urls: list[str], resolver: str) -> int:
    from certctl.app import daneprobing
    from certctl.app.wiring import clock

    found = daneprobing.check(spec, names[0] if names else None, urls, resolver)
    if console.as_json:
        console.document(_dane_document(found, clock()))
        return EXIT_FAILED if daneprobing.failed(found) else EXIT_OK
    return _show_dane(console, found)


def _show_dane(console: Console, found: Sequence[Checked]) -> int:
    """A line for each address, key and server of the zone, and what does not agree; the exit status."""
    from certctl.app.daneprobing import failed

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


def _dane_document(found: Sequence[Checked], now: datetime) -> dict[str, Any]:
    """The document of ``probe --dane --json``."""
    return {"version": 1, "now": rfc3339(now), "dane": [_dane_row(item) for item in found]}


def _dane_row(item: Checked) -> dict[str, Any]:
    from certctl.deploy.probe import as_json

    case = item.case
    return {
        "certificate": item.target.certificate.name if item.target.certificate else None,
        "url": item.target.url,
        "owner": item.target.owner,
        "zone": item.zone,
        "resolver": case.validation.resolver if case.validation else None,
        "validation": case.validation.state if case.validation else "unvalidated",
        "servers": [
            {
                "server": one.server,
                "serial": one.serial,
                "records": [str(record) for record in one.records],
                "problem": one.trouble,
            }
            for one in case.tellers
        ],
        "served": [
            {
                "address": one.address,
                "algorithm": one.algorithm,
                "key_sha256": one.key_sha256,
                "is": str(case.known[one.key_sha256]) if one.key_sha256 in case.known else None,
                "server": one.teller.server,
                "agrees": one.agrees,
            }
            for one in item.agreements
        ],
        "differences": [as_json(one) for one in item.differences],
    }
