"""fingerprints: a table for people, lines to paste, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from certctl.cli.arguments import Arguments, Parser, add_names, load_spec
from certctl.cli.console import Console, table
from certctl.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from certctl.app.fingerprints import Found, Query


def fingerprints_arguments(parser: Parser) -> None:
    from certctl.planning.pins import DIGESTS, FORMATS

    add_names(parser)
    parser.add_argument(
        "--slot", choices=("current", "next", "previous", "all"), help="default: what is announced"
    )
    parser.add_argument("--of", choices=("key", "certificate"), help="default: as the certificate is pinned")
    parser.add_argument("--digest", choices=DIGESTS, default="sha256", help="default: sha256")
    parser.add_argument("--format", choices=FORMATS, default="text", dest="form", help="default: text")
    parser.add_argument(
        "--nexthop",
        action="append",
        default=[],
        metavar="'[HOST]:25'",
        help="the key of policy lines, as often as wanted; default: as announced, else [NAME] for each name",
    )
    parser.add_argument(
        "--port",
        action="append",
        type=int,
        default=[],
        metavar="PORT",
        help="for tlsa; default: as announced, else 25",
    )
    parser.add_argument("--file", metavar="PEM", help="of this certificate, key or public key instead")
    parser.set_defaults(call=fingerprints, keys=False)


def fingerprints(arguments: Arguments, console: Console) -> int:
    from certctl.app import fingerprints

    query = fingerprints.Query(
        slot=arguments.slot,
        of=arguments.of,
        digest=arguments.digest,
        form="json" if console.as_json else arguments.form,
        nexthops=tuple(arguments.nexthop),
        ports=tuple(arguments.port),
    )
    if arguments.file:
        if arguments.names or arguments.slot:
            raise UsageError("--file stands for itself: no NAME and no --slot go with it")
        found = [fingerprints.of_file(arguments.file, query)]
    else:
        found = fingerprints.find(load_spec(arguments), arguments.names, query)
    return _show(console, found, query)


def _show(console: Console, found: Sequence[Found], query: Query) -> int:
    """Print *found* in the form that was asked for."""
    from certctl.app.fingerprints import document, lines

    if query.form == "json":
        console.document(document(found))
        return EXIT_OK
    if query.form != "text":
        for line in lines(found, query):
            console.answer(line)
        return EXIT_OK
    rows = [
        (
            one.subject,
            one.slot or "-",
            f"#{one.generation}" if one.generation else "-",
            one.algorithm,
            one.of,
            one.digest,
            one.fingerprint,
        )
        for item in found
        for one in item.fingerprints
    ]
    if not rows:
        console.say("there is nothing to show yet: certctl run makes keys and certificates")
        return EXIT_OK
    for line in table(rows, ("OF", "SLOT", "GEN", "ALGORITHM", "WHAT", "DIGEST", "FINGERPRINT")):
        console.answer(line)
    return EXIT_OK
