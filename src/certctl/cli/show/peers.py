"""peers: what is believed of each, what a sync would change, and the question at first contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from certctl.app import causes
from certctl.app.peering import Offer, Synced
from certctl.cli.asking import ask
from certctl.cli.console import Console, table
from certctl.cli.show import ran
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.times import from_now, parse_rfc3339


def show(console: Console, synced: Synced, now: str) -> int:
    """How a sync, or a dry run of one, went; the exit status."""
    failed = any(row["last_error"] for row in synced.peers)
    if synced.ran is not None:
        for subjects, error in causes.failures(synced.ran.failed):
            console.error(error, subjects)
        waiting = ran.still_failing(synced.ran)
        for line in waiting:
            console.insist(f"certctl: {line}")
        failed = failed or bool(synced.ran.failed) or bool(waiting)
    if console.as_json:
        changes = [{"map": path, "before": old, "after": new} for path, old, new in synced.changes]
        document = {"version": 1, "now": now, "peers": synced.peers}
        console.document(document if synced.ran is not None else {**document, "changes": changes})
        return EXIT_FAILED if failed else EXIT_OK
    if synced.ran is None:
        _dry(console, synced)
    for line in rows(synced.peers, parse_rfc3339(now)):
        console.answer(line)
    return EXIT_FAILED if failed else EXIT_OK


def rows(peers: Sequence[dict[str, Any]], now: datetime) -> list[str]:
    """The table of peers, and under it why the feeds of some are not believed."""
    cells = [
        (
            row["name"],
            row["state"],
            from_now(parse_rfc3339(row["accepted_at"]), now) if row["accepted_at"] else "-",
            from_now(parse_rfc3339(row["expires_at"]), now) if row["expires_at"] else "-",
            str(row["pins"]),
            row["map"],
        )
        for row in peers
    ]
    lines = table(cells, ("PEER", "STATE", "CHANGED", "EXPIRES", "PINS", "MAP"))
    return lines + [f"  {row['name']}: {row['last_error']}" for row in peers if row["last_error"]]


def _dry(console: Console, synced: Synced) -> None:
    import difflib

    for path, before, after in synced.changes:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), path, f"{path} (would be)", lineterm="", n=0
        )
        for line in lines:
            console.answer(line)
    if not synced.changes:
        console.say("no map would change")


def offer(console: Console, found: Offer, *, asked: bool) -> None:
    """Show who a feed says it is; *asked*: a question about it follows, which nobody could answer unseen."""
    tell = console.insist if asked else console.say
    tell(f"feed         {found.feed}")
    tell(f"key          {found.key}")
    tell(f"fingerprint  {found.fingerprint}")
    tell(f"names        {', '.join(found.names)}")
    tell(f"next-hops    {', '.join(found.nexthops)}")
    tell(f"expires      {found.expires_at}")


def agreed() -> bool | None:
    """Ask whether the fingerprint is right; None: nobody is there to be asked."""
    return ask("Is this the fingerprint that the peer told you by another way?")


def added(console: Console, name: str, text: str, path: str, document: dict[str, Any]) -> None:
    """Tell what was added to the configuration."""
    if console.as_json:
        console.document({"version": 1, "peer": name, "config": path, **document})
        return
    console.say(f"added to {path}:")
    for line in text.strip().splitlines():
        console.answer(line)
