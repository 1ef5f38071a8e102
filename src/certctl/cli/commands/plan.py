"""plan: what a pass would do, what waits, and when the next one is due."""

from __future__ import annotations

from collections.abc import Sequence

from certctl.cli.arguments import Arguments, Parser, add_names, load_spec
from certctl.cli.console import Console
from certctl.errors import EXIT_OK, EXIT_WORK
from certctl.planning.steps import Hold, Plan
from certctl.planning.times import from_now, minute_text


def plan_arguments(parser: Parser) -> None:
    add_names(parser)
    parser.add_argument("--check", action="store_true", help="exit 3 if there is work")
    parser.add_argument("--verify", action="store_true", help="compare the content of every file")
    parser.set_defaults(call=plan, keys=False)


def plan(arguments: Arguments, console: Console) -> int:
    from certctl.app import passes

    made = passes.plan(load_spec(arguments), arguments.names, verify=arguments.verify)
    if console.as_json:
        from certctl.app.status import plan_document

        console.document(plan_document(made))
    else:
        _show(console, made)
    return EXIT_WORK if arguments.check and made.steps else EXIT_OK


def _show(console: Console, made: Plan) -> None:
    """The plan as a person reads it."""
    if made.steps:
        console.answer(f"a pass would do {_count(len(made.steps), 'step')}:")
        width = max(len(f"{step.kind} {step.subject}") for step in made.steps)
        for step in made.steps:
            console.answer(f"  {f'{step.kind} {step.subject}'.ljust(width)}  {step.reason}")
    else:
        console.answer("a pass would do nothing")
    for line in holds(made.holds, made):
        console.answer(line)
    console.answer(next_pass(made))


def holds(waiting: Sequence[Hold], made: Plan) -> list[str]:
    """What waits, a line each, with its end."""
    lines = []
    for hold in waiting:
        until, what = "", hold.kind if hold.kind == hold.subject else f"{hold.kind} {hold.subject}"
        if hold.until is not None:
            until = f" until {minute_text(hold.until)} ({from_now(hold.until, made.now)})"
        lines.append(f"held{until}: {what}: {hold.reason}")
    return lines


def next_pass(made: Plan) -> str:
    """When there is something to do again."""
    if made.steps:
        return "next pass: now (certctl run)"
    if made.next_pass_at is None:
        return "next pass: nothing is due until something changes"
    return f"next pass: {minute_text(made.next_pass_at)} ({from_now(made.next_pass_at, made.now)})"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
