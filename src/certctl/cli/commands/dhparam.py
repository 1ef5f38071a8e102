"""dhparam: make what is due, and say who confirmed what is in use."""

from __future__ import annotations

from certctl.cli.arguments import Arguments, Parser, add_names, add_pass, load_spec, options
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK


def dhparam_arguments(parser: Parser) -> None:
    add_names(parser, what="DH parameter files")
    add_pass(parser)
    parser.set_defaults(call=dhparam)


def dhparam(arguments: Arguments, console: Console) -> int:
    from certctl.app import dhparams

    document = dhparams.check(load_spec(arguments), arguments.names, options(arguments, console))
    if console.as_json:
        console.document(document)
    for row in () if console.as_json else document["dhparams"]:
        if row["error"]:
            console.answer(f"{row['name']}: not good: {row['error']}")
        else:
            who = row["confirmed_by"]
            console.answer(
                f"{row['name']}: {row['path']}: {row['bits']} bits, safe prime, confirmed by {who}"
            )
    return EXIT_FAILED if any(row["error"] for row in document["dhparams"]) else EXIT_OK
