"""log: the journal, oldest first."""

from __future__ import annotations

from collections import deque
from typing import Any

from certctl.cli.arguments import Arguments, Parser, add_names, load_spec
from certctl.cli.console import Console
from certctl.errors import EXIT_OK
from certctl.planning.times import UTC, parse_rfc3339

_TOLD = ("at", "event", "subject", "reason", "error", "path", "output", "pins", "certificates", "not_after")


def log_arguments(parser: Parser) -> None:
    add_names(parser, "?", "a certificate, hook or DH parameter file")
    parser.add_argument(
        "-n", "--lines", type=int, default=50, metavar="N", help="at most N events (default 50)"
    )
    parser.set_defaults(call=log, keys=False)


def log(arguments: Arguments, console: Console) -> int:
    """The last events, of one name only where it is given.

    A name that is no longer configured has a history all the same.
    """
    from certctl.app import names
    from certctl.store import journal
    from certctl.store.layout import Layout

    spec, name = load_spec(arguments), arguments.names
    events: deque[dict[str, Any]] = deque(maxlen=max(arguments.lines, 1))
    events.extend(
        event
        for event in journal.read(Layout(spec.state_dir).journal)
        if name is None or event.get("subject") == name
    )
    if name is not None and not events:
        names.logged(spec, name)
    if console.as_json:
        console.document({"version": 1, "events": list(events)})
        return EXIT_OK
    for event in events:
        for line in _lines(event):
            console.answer(line)
    if not events:
        console.say("nothing has happened yet")
    return EXIT_OK


def _lines(event: dict[str, Any]) -> list[str]:
    try:
        at = parse_rfc3339(event["at"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, TypeError, AttributeError, OverflowError):
        at = "?"
    told = [str(event[name]) for name in ("reason", "error") if event.get(name)]
    told += [f"{name} {_words(value)}" for name, value in event.items() if name not in _TOLD]
    head = f"{at}  {event.get('subject')}: {event.get('event')}"
    lines = [f"{head}: {'; '.join(told)}" if told else head]
    lines += [f"    {line}" for line in str(event.get("output") or "").splitlines()[-5:]]
    return lines


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
