"""hooks: what is used and how it went, what could be named, and running one now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certctl.cli.arguments import Arguments, Parser, add_pass, load_spec, options
from certctl.cli.console import Console, table
from certctl.errors import EXIT_FAILED, EXIT_OK, UsageError
from certctl.planning.times import again, from_now, parse_rfc3339

if TYPE_CHECKING:
    from certctl.ports import HookOutcome

Document = dict[str, Any]


def hooks_arguments(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "run"), default="list", help="default: list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the hook to run now")
    add_pass(parser)
    parser.set_defaults(call=hooks)


def hooks(arguments: Arguments, console: Console) -> int:
    from certctl.app import hooks

    spec = load_spec(arguments)
    if arguments.action == "list":
        if arguments.name:
            raise UsageError(
                f"hooks list takes no name, but there is {arguments.name}", "certctl hooks run NAME"
            )
        document = hooks.listing(spec)
        if console.as_json:
            console.document(document)
        else:
            _show(console, document)
        return EXIT_OK
    if not arguments.name:
        raise UsageError("which hook is to run?", "certctl hooks run NAME")
    outcome = hooks.run(spec, arguments.name, options(arguments, console))
    return _ran(console, arguments.name, outcome)


def _show(console: Console, document: dict[str, Any]) -> None:
    lines = hooks_table(document, parse_rfc3339(document["now"]))
    for line in lines or ["no hooks are configured"]:
        console.answer(line)
    for hook in document["hooks"]:
        if hook.get("problem"):
            console.answer(f"  {hook['name']}: {hook['problem']}")
    if document["available"]:
        console.answer("")
        rows = [(row["name"], row["origin"], row["description"]) for row in document["available"]]
        for line in table(rows, ("CAN BE NAMED", "FROM", "DOES")):
            console.answer(line)


def _ran(console: Console, name: str, outcome: HookOutcome) -> int:
    """Tell how one hook went; the exit status of the command."""
    failed = outcome.exit_status != 0 or outcome.timed_out
    if console.as_json:
        console.document(
            {"version": 1, "hook": name, "exit_status": outcome.exit_status, "output": outcome.output}
        )
    else:
        for line in outcome.output.splitlines():
            console.answer(f"    {line}")
        tell = console.insist if failed else console.say
        tell(f"hook {name} ended with exit status {outcome.exit_status}")
    return EXIT_FAILED if failed else EXIT_OK


def hooks_table(document: Document, now: datetime) -> list[str]:
    """The table of hooks, with the output of those that fail."""
    rows, notes = [], []
    for row in document["hooks"]:
        status = "-" if row["exit_status"] is None else str(row["exit_status"])
        last_run = from_now(parse_rfc3339(row["last_run"]), now) if row["last_run"] else "-"
        rows.append((row["name"], row["state"], last_run, status))
        if row["state"] == "failing":
            later = f", tried {again(parse_rfc3339(row['retry_at']), now)}" if row["retry_at"] else ""
            times = "once" if row["attempts"] == 1 else f"{row['attempts']} times"
            notes.append(f"  {row['name']}: failed {times}{later}")
            notes += [f"    {line}" for line in row["output"].splitlines()[-5:]]
        elif row["state"] == "pending":
            notes.append(f"  {row['name']}: {', '.join(row['pending'])} changed (certctl run)")
    return table(rows, ("HOOK", "STATE", "LAST RUN", "EXIT")) + notes if rows else []
