"""peers: first contact, and following those that are configured."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from certctl.app import passes, wiring
from certctl.app.following import follower
from certctl.app.names import must_be
from certctl.errors import CertctlError, UsageError
from certctl.planning.plan import plan as make_plan
from certctl.planning.spec import Spec
from certctl.planning.times import rfc3339
from certctl.system import deadline

if TYPE_CHECKING:
    from certctl.peers.follow import Follower

POSTFIX = "/etc/postfix"
DEFAULT_MAP = "/etc/postfix/tls_policy.certctl"


class Offer(NamedTuple):
    """What a feed says of itself at first contact; that it is the peer's nobody has said yet."""

    feed: str
    key: str
    fingerprint: str
    name: str
    nexthops: tuple[str, ...]
    names: tuple[str, ...]
    expires_at: str
    host: str = ""
    """Where it was fetched; "": from a file."""


class Wanted(NamedTuple):
    """How a new peer is to be followed; what is empty is taken from its feed or from peers that are there."""

    name: str = ""
    nexthops: tuple[str, ...] = ()
    map: str = ""
    hooks: tuple[str, ...] = ()


class Synced(NamedTuple):
    """What a sync did."""

    ran: passes.Ran | None
    peers: list[dict[str, Any]]
    changes: list[tuple[str, str, str]]
    """Maps that would change: path, content before and after; only for a dry run."""


def sync(
    spec: Spec,
    options: passes.Options,
    *,
    names: Sequence[str] = (),
    force: bool = False,
    accept: bool = False,
) -> Synced:
    """Fetch the feeds, merge what is believed, run the hooks of maps that changed."""
    from certctl.engine.engine import Engine

    _known(spec, names)
    with passes.locked(spec, options.wait) as lease:
        following = follower(spec)
        adapters = wiring.adapters(spec, options.report, stop=options.stop, lease=lease)
        adapters.following = following
        adapters.store.prepare()
        now = adapters.clock()
        with deadline.limit(spec.network_timeout), adapters.outside():
            asked = following.ask(now, urgent=True, only=names or None, force=force, accept=accept)
        outcomes = following.keep(asked, now)
        engine = Engine(spec, adapters)
        engine.fail_peers(outcomes)
        only = frozenset({*spec.peers, *(peer.map for peer in spec.peers.values())})
        outcome = engine.run(only)
        after = make_plan(spec, engine.world, adapters.clock(), only)
        ran = passes.Ran(outcome.done, outcome.failed, engine.world, after)
    return Synced(ran, document(spec, following), [])


def dry_run(spec: Spec, names: Sequence[str] = (), *, force: bool = False, accept: bool = False) -> Synced:
    """Fetch and check, and tell what would change; nothing is written. Errors are in the rows."""
    _known(spec, names)
    following = follower(spec)
    now = wiring.clock()
    asked = following.ask(now, urgent=True, only=names or None, force=force, accept=accept)
    following.keep(asked, now, write=False)
    changes = []
    for path in dict.fromkeys(peer.map for peer in spec.peers.values()):
        before, after = following.preview(path)
        if before != after:
            changes.append((path, before, after))
    return Synced(None, document(spec, following), changes)


def document(spec: Spec, following: Follower | None = None) -> list[dict[str, Any]]:
    """Every peer: what is believed of it, and how that went."""
    following = following or follower(spec)
    seen, _ = following.observe()
    rows = []
    for name, peer in spec.peers.items():
        known, now = following.known(name), seen[name]
        failure = now.failure
        rows.append(
            {
                "name": name,
                "feed": peer.feed,
                "map": peer.map,
                "nexthops": list(peer.nexthops),
                "state": "failing" if failure else "ok" if known.serial else "new",
                "serial": known.serial or None,
                "issued_at": known.issued_at and rfc3339(known.issued_at),
                "expires_at": known.expires_at and rfc3339(known.expires_at),
                "accepted_at": known.accepted_at and rfc3339(known.accepted_at),
                "pins": sum(len(entry.pins) for entry in known.entries),
                "last_error": failure.message if failure else None,
                "retry_at": failure.retry_at and rfc3339(failure.retry_at) if failure else None,
            }
        )
    return rows


def first_contact(feed: str) -> Offer:
    """Fetch a feed that is not known yet, and show who it says it is. Raises CertctlError."""
    from certctl.config.addresses import feed as check
    from certctl.config.addresses import feed_at
    from certctl.config.problems import BadValueError
    from certctl.peers.fetch import TIMEOUT, fetch, strangers
    from certctl.peers.verify import fingerprint, first_key, verify

    try:
        place = feed_at(check(feed), os.getcwd())
    except BadValueError as bad:
        raise UsageError(f"{feed} cannot be a feed: {bad.faults[0][0]}") from bad
    data = fetch(place).data or b""
    key = strangers.call(first_key, data, place, seconds=TIMEOUT)
    found = verify(data, key, place).feed
    names = tuple(dict.fromkeys(name for entry in found.entries for name in entry.names))
    hops = tuple(dict.fromkeys(hop for entry in found.entries for hop in entry.nexthops))
    host = place.partition("://")[2].partition("/")[0].rpartition("@")[2] if "://" in place else ""
    host = host.strip("[]").partition(":")[0].lower() if host.count(":") < 2 else ""
    name = host if host in names else next(iter(names), host)
    return Offer(place, key, fingerprint(key), name, hops, names, rfc3339(found.expires_at), host)


class Added(NamedTuple):
    """A peer that was added to the configuration."""

    name: str
    text: str
    refused: tuple[tuple[str, str], ...]
    """Next-hops that its feed claims and that were not taken, each with the reason."""
    map: str


def add(spec: Spec, offer: Offer, wanted: Wanted) -> Added:
    """Add the peer to the configuration, unless that raises CertctlError."""
    from certctl.config import load
    from certctl.config.file import parse, read
    from certctl.config.loading import build
    from certctl.onboarding import toml
    from certctl.store import atomic

    name = wanted.name or re.sub(r"[^A-Za-z0-9._@-]", "-", offer.name.removeprefix("*."))
    if name in spec.peers:
        raise UsageError(f"there is a peer {name} already", "choose another --name, or edit its key")
    maps = list(dict.fromkeys(peer.map for peer in spec.peers.values()))
    path = wanted.map or (maps[0] if len(maps) == 1 else DEFAULT_MAP)
    hooks = wanted.hooks or next((p.hooks for p in spec.peers.values() if p.map == path), ("postmap",))
    nexthops, refused = _claims(spec, offer, wanted, path)
    rows = {
        "feed": offer.feed,
        "key": offer.key,
        "nexthops": list(nexthops),
        "map": path,
        "hooks": list(hooks),
    }
    table = toml.table("peer", name) + toml.settings(rows)
    new = toml.with_tables(read(spec.path), table)
    build(spec.path, parse(spec.path, new))
    real = os.path.realpath(spec.path)
    info = os.stat(real)
    atomic.write(real, new.encode(), info.st_mode & 0o7777, info.st_uid, info.st_gid)
    return Added(name, f"\n{table}", refused, load(spec.path).peers[name].map)


def unused(path: str) -> str | None:
    """What to type so that this host's Postfix uses the map at *path*; None: it does, or is not there."""
    from certctl.servers.policy_maps import adding, uses
    from certctl.servers.postfix import read_postfix

    try:
        postfix = read_postfix(POSTFIX)
    except CertctlError:
        return None
    return None if uses(postfix, path) else adding(postfix, path)


def _claims(
    spec: Spec, offer: Offer, wanted: Wanted, path: str
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The next-hops to take, and those that are refused, each with the reason. Raises CertctlError."""
    from certctl.config.problems import quoted
    from certctl.peers.claims import is_own
    from certctl.peers.merge import by_hand
    from certctl.system.files import read_file

    text = read_file(os.path.join(os.path.dirname(spec.path), path))
    lines = by_hand(None if text is None else text.decode("utf-8", "surrogateescape"))
    owners = {nexthop.lower(): peer.name for peer in spec.peers.values() for nexthop in peer.nexthops}
    where = f"at or below {offer.host} or its parent domain" if offer.host else "known to be its, in a file"
    taken, refused = [], []
    for nexthop in wanted.nexthops or offer.nexthops:
        key = nexthop.lower()
        if key in owners:
            refused.append((nexthop, f"is a next-hop of [peer.{quoted(owners[key])}]"))
        elif key in lines:
            refused.append((nexthop, f"has a line of its own in {path}, line {lines[key]}"))
        elif not wanted.nexthops and not is_own(nexthop, offer.host):
            refused.append((nexthop, f"is not {where}"))
        else:
            taken.append(nexthop)
    if not taken or (wanted.nexthops and refused):
        words = "; ".join(f"{nexthop} {why}" for nexthop, why in refused) or "its feed names none"
        raise UsageError(
            f"no next-hop to follow {offer.name} for: {words}" if not taken else words,
            "take the other line or next-hop out first; or say which are the peer's: --nexthop '[HOST]'",
        )
    return tuple(taken), tuple(refused)


def _known(spec: Spec, names: Sequence[str]) -> None:
    if not spec.peers:
        raise UsageError(f"{spec.path} names no peers", "certctl peers add URL")
    must_be(names, spec.peers, "peer", spec)
