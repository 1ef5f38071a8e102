"""announce and ack: who can see which pins since when, what lags, and who has not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from certctl.cli.arguments import Arguments, Parser, add_name, add_names, add_pass, load_spec, options
from certctl.cli.console import Console, table
from certctl.errors import EXIT_OK
from certctl.planning.times import again, from_now, minute_text, parse_rfc3339

Document = dict[str, Any]


def announce_arguments(parser: Parser) -> None:
    add_names(parser, what="announcers or certificates")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--show", action="store_true", help="what is announced since when, and who has not acknowledged"
    )
    what.add_argument("--key", action="store_true", help="the feed's public key, as a peer's key wants it")
    what.add_argument(
        "--new-key", action="store_true", help="replace the feed's key; the old one signs that it gave way"
    )
    add_pass(parser)
    parser.set_defaults(call=announce)


def ack_arguments(parser: Parser) -> None:
    add_name(parser)
    parser.add_argument("peer", metavar="PEER", help="as require_ack has it")
    add_pass(parser)
    parser.set_defaults(call=ack)


def announce(arguments: Arguments, console: Console) -> int:
    from certctl.app import announcing
    from certctl.cli import outcome

    spec, how = load_spec(arguments), options(arguments, console)
    if arguments.show:
        return _show(console, announcing.shown(spec, arguments.names))
    if arguments.key:
        return _keys(console, announcing.keys(spec, arguments.names, how))
    if arguments.new_key:
        document = announcing.keys(spec, arguments.names, how, new=True)
        result = announcing.announce(spec, arguments.names, how)
        return max(outcome.show(console, result) if result.failed else EXIT_OK, _keys(console, document))
    return outcome.show(console, announcing.announce(spec, arguments.names, how))


def ack(arguments: Arguments, console: Console) -> int:
    from certctl.app import passes
    from certctl.cli import outcome

    how = options(arguments, console)
    result = passes.ack(load_spec(arguments), arguments.name, arguments.peer, how)
    return outcome.show(console, result, asked=[arguments.name])


def _show(console: Console, document: Document) -> int:
    """Tables of announcers and of what was seen, then what waits; the exit status."""
    if console.as_json:
        console.document(document)
        return EXIT_OK
    if not document["announcers"]:
        console.say("nothing announces pins here: [announce.NAME], and announce = [NAME] in a certificate")
        return EXIT_OK
    now = parse_rfc3339(document["now"])
    for line in [*announcers_table(document["announcers"], now), *_asked(document["announcers"])]:
        console.answer(line)
    seen = list(_seen(document))
    if seen:
        console.answer("")
        for line in table(seen, ("CERTIFICATE", "SLOT", "ANNOUNCER", "SEEN SINCE")):
            console.answer(line)
    for line in _holds(document):
        console.answer(line)
    return EXIT_OK


def announcers_table(rows: Sequence[Document], now: datetime) -> list[str]:
    """The table of announcers, and under it what they fail by and whom they wait for."""
    cells = [(row["name"], row["type"], row["state"], row["where"]) for row in rows]
    lines = table(cells, ("ANNOUNCER", "TYPE", "STATE", "WHERE"))
    return lines + [note for row in rows for note in _notes(row, now)]


def _asked(rows: Sequence[Document]) -> Iterator[str]:
    for row in rows:
        for one in row["servers"]:
            serial = "no serial" if one["serial"] is None else f"serial {one['serial']}"
            problem = f"; {one['problem']}" if one["problem"] else ""
            yield f"  {row['name']}: asked {one['name']} ({one['address']}): {serial}{problem}"


def _notes(row: Document, now: datetime) -> Iterator[str]:
    if row["last_error"]:
        retry_at = row["retry_at"] and parse_rfc3339(row["retry_at"])
        later = f" (tried {again(retry_at, now)})" if retry_at else ""
        yield f"  {row['name']}: {row['last_error']}{later}"
    for why in dict.fromkeys(row["unseen"].values()):
        ask_at = row["ask_at"] and parse_rfc3339(row["ask_at"])
        yield f"  {row['name']}: {why}{f' (asked {again(ask_at, now)})' if ask_at else ''}"


def _seen(document: Document) -> Iterator[tuple[str, ...]]:
    now = parse_rfc3339(document["now"])
    for cert in document["certificates"]:
        for slot, found in cert["slots"].items():
            for announcer, since in (found["seen"] if found else {}).items():
                moment = parse_rfc3339(since) if since else None
                text = f"{minute_text(moment)} ({from_now(moment, now)})" if moment else "not seen"
                text = "retracted" if announcer in found["retracted"] else text
                yield cert["name"], f"{slot} #{found['generation']}", announcer, text


def _holds(document: Document) -> Iterator[str]:
    now = parse_rfc3339(document["now"])
    for cert in document["certificates"]:
        if cert["hold_until"] and parse_rfc3339(cert["hold_until"]) > now:
            until = parse_rfc3339(cert["hold_until"])
            yield f"{cert['name']}: the next key may be served {minute_text(until)} ({from_now(until, now)})"
        if cert["not_acknowledged_by"]:
            peers = ", ".join(cert["not_acknowledged_by"])
            yield f"{cert['name']}: not acknowledged by {peers} (certctl ack {cert['name']} PEER)"


def _keys(console: Console, document: Document) -> int:
    """The keys of feeds, one alone on its line, so that it can be pasted; the exit status."""
    if console.as_json:
        console.document(document)
        return EXIT_OK
    rows = document["keys"]
    for row in rows:
        console.say(f"fingerprint of {row['announcer']}, for peers to compare: {row['fingerprint']}")
    for row in rows:
        console.answer(row["key"] if len(rows) == 1 else f"{row['announcer']} {row['key']}")
    return EXIT_OK
