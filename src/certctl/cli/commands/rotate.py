"""rotate, renew and rollback: ask for another key or certificate, then run a pass."""

from __future__ import annotations

from certctl.cli.arguments import Arguments, Parser, add_name, add_names, add_pass, load_spec, options
from certctl.cli.commands.run import add_dry_run, rehearse
from certctl.cli.console import Console, ask, somebody
from certctl.errors import UsageError
from certctl.planning.spec import Spec


def rotate_arguments(parser: Parser) -> None:
    add_names(parser, "+")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--force", action="store_true", help="promote now, and list whose pins break")
    how.add_argument("--abort", action="store_true", help="cancel a waiting rotation, replace the next key")
    parser.add_argument(
        "--compromised",
        action="store_true",
        help="the key may be stolen: like --force, but its pins are retracted at once, and it is never "
        "served again",
    )
    parser.add_argument(
        "--yes", action="store_true", help="with --force: even where a key that was served only just is lost"
    )
    add_pass(parser)
    parser.set_defaults(call=rotate)


def rotate(arguments: Arguments, console: Console) -> int:
    from certctl.app import passes
    from certctl.cli import outcome

    spec = load_spec(arguments)
    how = options(arguments, console)
    force = arguments.force or arguments.compromised
    if arguments.abort and arguments.compromised:
        raise UsageError(
            "--abort replaces the next key, --compromised the one that is served", "certctl rotate --help"
        )
    told = {}
    if force:
        names, stolen = arguments.names, arguments.compromised
        told = {
            "breaks": passes.breaks(spec, names, compromised=stolen),
            "knows": passes.knows(spec, names, compromised=stolen),
        }
        for warning in told["breaks"]:
            console.insist(f"certctl: warning: {warning}")
        for line in told["knows"]:
            console.say(line)
    again = arguments.yes or (
        force and not arguments.compromised and _agreed_to_lose(spec, arguments, console)
    )
    result = passes.rotate(
        spec,
        arguments.names,
        force=force,
        abort=arguments.abort,
        compromised=arguments.compromised,
        again=again,
        options=how,
    )
    return outcome.show(console, result, asked=arguments.names, more=told)


def _agreed_to_lose(spec: Spec, arguments: Arguments, console: Console) -> bool:
    """Whether somebody at a terminal agrees to what a forced rotation takes away; asks only where it does."""
    from certctl.app import passes

    lost = passes.loses(spec, arguments.names)
    if not lost or not somebody():
        return False
    for line in lost:
        console.insist(f"certctl: warning: {line}")
    return bool(ask("rotate all the same?"))


def renew_arguments(parser: Parser) -> None:
    add_names(parser, "+")
    add_pass(parser)
    add_dry_run(parser)
    parser.set_defaults(call=renew)


def renew(arguments: Arguments, console: Console) -> int:
    from certctl.app import passes
    from certctl.cli import outcome

    if arguments.dry_run:
        return rehearse(arguments, console)
    spec = load_spec(arguments)
    result = passes.renew(spec, arguments.names, options(arguments, console))
    code = outcome.show(console, result, asked=arguments.names)
    for step in result.done:
        if step.kind == "issue" and step.slot == "current" and spec.certificates[step.subject].pin == "key":
            console.say(
                f"{step.subject}: the key is the same; who pins the certificate itself needs the new one "
                f"(certctl fingerprints {step.subject} --of certificate), "
                f"or the old one back (certctl rollback {step.subject} --certificate)"
            )
    return code


def rollback_arguments(parser: Parser) -> None:
    add_name(parser)
    parser.add_argument(
        "--certificate",
        action="store_true",
        help="keep the key, and serve the certificate before the last renewal again",
    )
    add_pass(parser)
    parser.set_defaults(call=rollback)


def rollback(arguments: Arguments, console: Console) -> int:
    from certctl.app import rolling_back
    from certctl.cli import outcome

    back = rolling_back.certificate if arguments.certificate else rolling_back.generation
    result = back(load_spec(arguments), arguments.name, options(arguments, console))
    return outcome.show(console, result, asked=[arguments.name])
