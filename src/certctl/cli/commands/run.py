"""run and daemon: passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certctl.cli.arguments import Arguments, Parser, add_names, add_pass, add_wait, load_spec, options
from certctl.cli.commands.plan import next_pass
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK, CertctlError
from certctl.system import clocks

if TYPE_CHECKING:
    from certctl.app.passes import Ran
    from certctl.planning.spec import Spec


def run_arguments(parser: Parser) -> None:
    add_names(parser)
    add_pass(parser)
    parser.add_argument(
        "--replace-unknown-keys",
        action="append",
        default=[],
        metavar="NAME",
        help="replace keys in the files of this certificate that the state does not have: "
        "who pins them has to be told (a copy is kept in the state directory)",
    )
    add_dry_run(parser)
    parser.add_argument(
        "--accept-clock", action="store_true", help="the time is right, though the clock jumped"
    )
    parser.set_defaults(call=run)


def add_dry_run(parser: Parser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="keep nothing: only order from the ACME CA's staging directory, to see whether it would issue "
        "(what a pass would do: certctl plan)",
    )


def run(arguments: Arguments, console: Console) -> int:
    if arguments.dry_run:
        return rehearse(arguments, console)
    more = arguments.names or arguments.replace_unknown_keys or arguments.verify or arguments.accept_clock
    if not more and not arguments.json and _is_at_rest(arguments, console):
        return EXIT_OK
    from certctl.app import passes
    from certctl.cli import outcome

    began = clocks.nanoseconds()
    spec = load_spec(arguments)
    result = passes.run(spec, arguments.names, options(arguments, console))
    code = outcome.show(console, result)
    if code == EXIT_OK and not more and not arguments.json:
        _keep(spec, result, began, console)
    return code


def _is_at_rest(arguments: Arguments, console: Console) -> bool:
    """Answer as a pass would that finds nothing to do; False: a pass has to look."""
    from certctl.app import at_rest

    made = at_rest.plan(arguments.config)
    if made is None:
        return False
    console.say("nothing to do")
    console.say(next_pass(made))
    return True


def _keep(spec: Spec, result: Ran, began: int, console: Console) -> None:
    from certctl.app import at_rest

    try:
        at_rest.keep(spec, result, began)
    except CertctlError as error:
        # The pass has done its work; the next one only takes longer.
        if console.verbose:
            console.say(f"certctl: what was found is not kept: {error.message}")


def rehearse(arguments: Arguments, console: Console) -> int:
    from certctl.app import rehearsal

    results = rehearsal.rehearse(load_spec(arguments), arguments.names, console.event)
    for item in results:
        if item.error is not None:
            console.error(item.error, item.certificate)
    if console.as_json:
        rows = [
            {"certificate": r.certificate, "issuer": r.issuer, "error": r.error and r.error.message}
            for r in results
        ]
        console.document({"version": 1, "rehearsed": rows})
    return EXIT_FAILED if any(item.error for item in results) else EXIT_OK


def daemon_arguments(parser: Parser) -> None:
    add_wait(parser, 300.0)
    parser.set_defaults(call=daemon)


def daemon(arguments: Arguments, console: Console) -> int:
    import os

    from certctl import config
    from certctl.daemon import Daemon

    path = config.find(arguments.config, os.environ)
    return Daemon(path, wait=arguments.wait, report=console.event).run()
