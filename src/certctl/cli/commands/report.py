"""report: one HTML page, printed or put in its place."""

from __future__ import annotations

from certctl.cli.arguments import Arguments, Parser, load_spec
from certctl.cli.console import Console
from certctl.errors import EXIT_OK, UsageError


def report_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--output", metavar="FILE", help="replace FILE by the page, whole or not at all; default: print it"
    )
    parser.set_defaults(call=report)


def report(arguments: Arguments, console: Console) -> int:
    from certctl.app import report

    spec = load_spec(arguments)
    if arguments.output:
        path = report.write(spec, arguments.output)
        if console.as_json:
            console.document({"version": 1, "output": path})
        else:
            console.say(f"wrote {path}")
    elif console.as_json:
        raise UsageError("the page is HTML, not JSON", "certctl status --json tells the same")
    else:
        console.page(report.make(spec).rstrip("\n"))
    return EXIT_OK
