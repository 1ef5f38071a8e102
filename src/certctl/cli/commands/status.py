"""status: tables of certificates, DH parameters, hooks, announcers, peers; details where there is trouble."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from certctl.cli.arguments import Arguments, Parser, add_names, load_spec
from certctl.cli.commands.hooks import hooks_table
from certctl.cli.console import Console, table
from certctl.errors import EXIT_OK
from certctl.planning.times import again, from_now, minute_text, parse_rfc3339

Document = dict[str, Any]


def status_arguments(parser: Parser) -> None:
    add_names(parser)
    parser.set_defaults(call=status, keys=False)


def status(arguments: Arguments, console: Console) -> int:
    from certctl.app import status

    document = status.status(load_spec(arguments), arguments.names)
    if console.as_json:
        console.document(document)
    else:
        show(console, document)
    return EXIT_OK


def show(console: Console, document: Document) -> None:
    now = parse_rfc3339(document["now"])
    blocks = [_certificates(document, now), _dhparams(document, now), hooks_table(document, now)]
    if document["announcers"]:
        from certctl.cli.commands.announce import announcers_table

        blocks.append(announcers_table(document["announcers"], now))
    if document["peers"]:
        from certctl.cli.commands.peers import peers_table

        blocks.append(peers_table(document["peers"], now))
    if document["clock"]["doubt"]:
        blocks.insert(0, [f"clock: {document['clock']['doubt']}"])
    first = True
    for lines in blocks:
        if not lines:
            continue
        if not first:
            console.answer("")
        first = False
        for line in lines:
            console.answer(line)
    if first:
        console.answer("nothing is configured")


def _certificates(document: Document, now: datetime) -> list[str]:
    rows = []
    notes = []
    for cert in document["certificates"]:
        rows.append(
            (
                cert["name"],
                cert["state"],
                cert["issuer"],
                _expiry(cert["current"], now),
                *(_slot(cert[slot], now) for slot in ("current", "next", "previous")),
                _moment(cert["renew_at"], now),
            )
        )
        notes += _notes(cert, now)
    if not rows:
        return []
    header = ("CERTIFICATE", "STATE", "ISSUER", "EXPIRES", "CURRENT", "NEXT", "PREVIOUS", "RENEWAL")
    return table(rows, header) + notes


def _expiry(slot: Document | None, now: datetime) -> str:
    ends = [key["not_after"] for key in slot["keys"] if key["not_after"]] if slot else []
    if not ends:
        return "-"
    end = parse_rfc3339(min(ends))
    return f"{end:%Y-%m-%d} ({from_now(end, now)})"


def _slot(slot: Document | None, now: datetime) -> str:
    if slot is None:
        return "-"
    since = slot["promoted_at"] or slot["made_at"]
    age = from_now(parse_rfc3339(since), now).removesuffix(" ago")
    return f"#{slot['generation']} ({age})"


def _moment(text: str | None, now: datetime) -> str:
    return from_now(parse_rfc3339(text), now) if text else "-"


def _notes(cert: Document, now: datetime) -> list[str]:
    name, notes = cert["name"], []
    if cert["last_error"]:
        later = f" (tried {again(parse_rfc3339(cert['retry_at']), now)})" if cert["retry_at"] else ""
        notes.append(f"  {name}: {cert['last_error']}{later}")
    lost = [slot for slot in ("current", "previous") if cert[slot] and cert[slot]["compromised"]]
    notes += [f"  {name}: the {slot} key, #{cert[slot]['generation']}, is compromised" for slot in lost]
    if cert["held"]:
        notes.append(f"  {name}: rotation waits for you: {cert['held']}")
    if cert["waiting"]:
        notes.append(f"  {name}: {cert['waiting']}")
    if cert["hold_until"]:
        until = parse_rfc3339(cert["hold_until"])
        asked = "rotation is held" if cert["rotation_wanted"] else "the next key may not be served"
        notes.append(f"  {name}: {asked} until {minute_text(until)} ({from_now(until, now)})")
    if cert["rotation_wanted"] and cert["not_seen_through"]:
        through = ", ".join(cert["not_seen_through"])
        notes.append(f"  {name}: rotation is held until the next key has been seen through {through}")
    if cert["not_acknowledged_by"]:
        peers = ", ".join(cert["not_acknowledged_by"])
        notes.append(f"  {name}: the next key is not acknowledged by {peers} (certctl ack {name} PEER)")
    notes += [f"  {name}: {file['path']} {file['problem']}" for file in cert["files"] if file["problem"]]
    if cert["advice"] and cert["advice"]["explanation_url"]:
        notes.append(f"  {name}: the CA explains its renewal window: {cert['advice']['explanation_url']}")
    return notes


def _dhparams(document: Document, now: datetime) -> list[str]:
    rows, notes = [], []
    for row in document["dhparams"]:
        made = _moment(row["made_at"], now)
        rows.append((row["name"], row["state"], f"{row['bits']} {row['source']}", made, row["path"]))
        if row["last_error"]:
            notes.append(f"  {row['name']}: {row['last_error']}")
    return table(rows, ("DH PARAMETERS", "STATE", "BITS", "MADE", "PATH")) + notes if rows else []
