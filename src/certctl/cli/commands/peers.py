"""peers: follow those that are configured, or add one at first contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from certctl.cli.arguments import Arguments, Parser, add_pass, load_spec, options
from certctl.cli.console import Console, ask, table
from certctl.errors import EXIT_FAILED, EXIT_OK, CertctlError, UsageError
from certctl.planning.times import from_now, parse_rfc3339, rfc3339

if TYPE_CHECKING:
    from certctl.app.peering import Offer, Synced


def peers_arguments(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", choices=("sync", "add"), default="sync", help="default: sync")
    parser.add_argument("what", nargs="*", metavar="NAME|URL", help="sync: peers; add: the feed")
    parser.add_argument(
        "--dry-run", action="store_true", help="sync: keep nothing: only show what would change in the maps"
    )
    parser.add_argument(
        "--force", action="store_true", help="sync: believe feeds that drop a pin which is still served"
    )
    parser.add_argument(
        "--accept-serial",
        action="store_true",
        help="sync: believe the feed of a peer of which nothing is remembered any more, whatever its serial",
    )
    parser.add_argument("--yes", action="store_true", help="add: do not ask about the fingerprint")
    parser.add_argument("--key", metavar="KEY", help="add: the key it must have; then nothing is asked")
    parser.add_argument("--name", metavar="NAME", default="", help="add: what to call the peer")
    parser.add_argument(
        "--nexthop",
        action="append",
        default=[],
        metavar="'[HOST]:25'",
        help="add: as often as wanted; default: what the feed names at or below its host or parent domain",
    )
    parser.add_argument("--map", metavar="FILE", default="", help="add: the policy map for its lines")
    parser.add_argument("--hook", action="append", default=[], metavar="HOOK", help="add: default postmap")
    add_pass(parser)
    parser.set_defaults(call=peers)


def peers(arguments: Arguments, console: Console) -> int:
    return _add(arguments, console) if arguments.action == "add" else _sync(arguments, console)


def _sync(arguments: Arguments, console: Console) -> int:
    """Follow the peers that are configured, or tell what that would change."""
    from certctl.app import peering
    from certctl.app.wiring import clock

    spec = load_spec(arguments)
    if arguments.dry_run:
        synced = peering.dry_run(spec, arguments.what, force=arguments.force, accept=arguments.accept_serial)
    else:
        synced = peering.sync(
            spec,
            options(arguments, console),
            names=arguments.what,
            force=arguments.force,
            accept=arguments.accept_serial,
        )
    return _show(console, synced, rfc3339(clock()))


def _add(arguments: Arguments, console: Console) -> int:
    """First contact: show the key, ask, add the peer to the configuration, follow it."""
    from certctl.app import peering

    if len(arguments.what) != 1:
        raise UsageError(
            "one feed is expected", "certctl peers add https://HOST/.well-known/certctl-pins.jws"
        )
    spec = load_spec(arguments)
    offer = peering.first_contact(arguments.what[0])
    _offer(console, offer, asked=arguments.key is None and not arguments.yes)
    if arguments.key is not None and arguments.key != offer.key:
        raise CertctlError("the feed has another key than --key says", "ask the peer for its key again")
    if arguments.key is None and not arguments.yes:
        agreed = ask("Is this the fingerprint that the peer told you by another way?")
        if agreed is None:
            raise UsageError(
                "nobody is there to compare the fingerprint", "--key KEY, or --yes if you have compared it"
            )
        if not agreed:
            console.insist("nothing was added")
            return EXIT_FAILED
    wanted = peering.Wanted(arguments.name, tuple(arguments.nexthop), arguments.map, tuple(arguments.hook))
    added = peering.add(spec, offer, wanted)
    for nexthop, why in added.refused:
        console.insist(f"refused {nexthop}: it {why}")
    # Whoever adds a peer says that its feed is to be believed, whatever a map still holds of it.
    synced = peering.sync(load_spec(arguments), options(arguments, console), names=[added.name], accept=True)
    failed = synced.ran is not None and bool(synced.ran.failed)
    for item in synced.ran.failed if synced.ran else ():
        console.error(item.error, item.step.subject)
    refused = [{"nexthop": nexthop, "reason": why} for nexthop, why in added.refused]
    to_type = peering.unused(added.map)
    document = {"peers": synced.peers, "refused": refused, "to_type": to_type}
    if to_type is not None:
        console.insist(f"Postfix does not use {added.map} yet; add it to what it has:")
        console.insist(f"  {to_type}")
    _added(console, added.name, added.text, spec.path, document)
    return EXIT_FAILED if failed else EXIT_OK


def _show(console: Console, synced: Synced, now: str) -> int:
    """How a sync, or a dry run of one, went; the exit status."""
    from certctl.app import causes
    from certctl.cli import outcome

    failed = any(row["last_error"] for row in synced.peers)
    if synced.ran is not None:
        for subjects, error in causes.failures(synced.ran.failed):
            console.error(error, subjects)
        waiting = outcome.still_failing(synced.ran)
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
    for line in peers_table(synced.peers, parse_rfc3339(now)):
        console.answer(line)
    return EXIT_FAILED if failed else EXIT_OK


def peers_table(peers: Sequence[dict[str, Any]], now: datetime) -> list[str]:
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


def _offer(console: Console, found: Offer, *, asked: bool) -> None:
    """Show who a feed says it is; *asked*: a question about it follows, which nobody could answer unseen."""
    tell = console.insist if asked else console.say
    tell(f"feed         {found.feed}")
    tell(f"key          {found.key}")
    tell(f"fingerprint  {found.fingerprint}")
    tell(f"names        {', '.join(found.names)}")
    tell(f"next-hops    {', '.join(found.nexthops)}")
    tell(f"expires      {found.expires_at}")


def _added(console: Console, name: str, text: str, path: str, document: dict[str, Any]) -> None:
    """Tell what was added to the configuration."""
    if console.as_json:
        console.document({"version": 1, "peer": name, "config": path, **document})
        return
    console.say(f"added to {path}:")
    for line in text.strip().splitlines():
        console.answer(line)
