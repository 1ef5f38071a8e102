"""hooks: what is used and how it went, and what could be named."""

from __future__ import annotations

from typing import Any

from certctl.cli.console import Console, table
from certctl.cli.show import status
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.times import parse_rfc3339
from certctl.ports import HookOutcome


def show(console: Console, document: dict[str, Any]) -> None:
    lines = status.hooks(document, parse_rfc3339(document["now"]))
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


def ran(console: Console, name: str, outcome: HookOutcome) -> int:
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
