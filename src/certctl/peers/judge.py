"""Whether a feed whose signature is right may replace the one before: serial, time, names, what is served."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from certctl.errors import CertctlError
from certctl.peers.known import Known
from certctl.peers.verify import FeedError, Verified
from certctl.planning.feed import FeedEntry, entries_for
from certctl.planning.spec import DAY, PeerSpec
from certctl.planning.times import minute_text

MOST_SKEW = 1 * DAY
"""Seconds by which the peer's clock may be ahead."""

Served = Callable[[str], frozenset[str]]
"""The pins (of certificates and of keys) that servers at a next-hop show now. Raises CertctlError."""


def judge(peer: PeerSpec, known: Known, found: Verified, now: datetime, served: Served | None) -> Known:
    """What is known of *peer* once *found* is believed. Raises FeedError where it is not.

    *served* is asked before the last pin that a server may show is dropped; None:
    a person said that it may go.
    """
    new, where = found.feed, f"of {peer.name}"
    digest = hashlib.sha256(found.payload).hexdigest()
    _check_time(found, now, where)
    if known.configured_key == peer.key and known.serial:
        if new.serial < known.serial:
            raise FeedError(
                f"the feed {where} has serial {new.serial}, but {known.serial} was seen already: "
                "it is an old copy",
                "whoever serves it should serve the latest; a peer that began anew needs a new key",
            )
        if new.serial == known.serial and digest != known.payload_sha256:
            raise FeedError(f"the feed {where} has the serial of the one before, but says something else")
    for nexthop in peer.nexthops:
        _check_names(new.entries, nexthop, where)
        if served is not None:
            _check_served(known.entries, new.entries, nexthop, where, served)
    same = digest == known.payload_sha256
    return known._replace(
        configured_key=peer.key,
        key=found.key,
        serial=new.serial,
        payload_sha256=digest,
        issued_at=new.issued_at,
        expires_at=new.expires_at,
        accepted_at=known.accepted_at if same else now,
        entries=new.entries,
    )


def check_expiry(known: Known, now: datetime, where: str) -> None:
    """Raise FeedError if what is known is over."""
    if known.expires_at is not None and known.expires_at <= now:
        raise _expired(known.expires_at, where)


def _check_time(found: Verified, now: datetime, where: str) -> None:
    if found.feed.expires_at <= now:
        raise _expired(found.feed.expires_at, where)
    if found.feed.issued_at > now + timedelta(seconds=MOST_SKEW):
        raise FeedError(
            f"the feed {where} was issued {minute_text(found.feed.issued_at)}, which is yet to come by this "
            f"host's clock ({minute_text(now)})",
            "compare `date -u` on both hosts; a peer whose clock was ahead issues its feed anew by itself",
        )


def _expired(end: datetime, where: str) -> FeedError:
    return FeedError(
        f"the feed {where} expired {minute_text(end)}", "certctl must run there, to issue it anew in time"
    )


def _check_names(entries: tuple[FeedEntry, ...], nexthop: str, where: str) -> None:
    found = entries_for(entries, nexthop)
    if not found:
        names = ", ".join(name for entry in entries for name in (*entry.names, *entry.nexthops)) or "nothing"
        raise FeedError(
            f"the feed {where} says nothing of {nexthop}, only of {names[:300]}",
            f"correct nexthops here, or let the peer add {nexthop} to its certificate's nexthops",
        )
    if not any(entry.of_slot("current") for entry in found):
        raise FeedError(f"the feed {where} has no current pin for {nexthop}")


def _check_served(
    before: tuple[FeedEntry, ...],
    after: tuple[FeedEntry, ...],
    nexthop: str,
    where: str,
    served: Served,
) -> None:
    """Refuse to drop the last pin that is being served.

    A rotation keeps what was current, or promotes what was known before. Where a
    feed does neither, the peer itself is asked what it serves.
    """
    old, new = entries_for(before, nexthop), entries_for(after, nexthop)
    if not old or pins(old, "current") & pins(new) or pins(new, "current") & pins(old):
        return
    try:
        shown = served(nexthop)
    except CertctlError as error:
        why = f"what is served there cannot be seen: {error.message}"
    else:
        if shown & pins(new):
            return
        why = (
            "the server there still shows an old one"
            if shown & pins(old)
            else "the server shows none of them"
        )
    raise FeedError(
        f"the feed {where} drops every pin that was known for {nexthop}, and {why}",
        "ask the peer; if it is right: certctl peers sync --force",
    )


def pins(entries: list[FeedEntry], slot: str | None = None) -> frozenset[str]:
    """The pins of *slot*, or of every slot."""
    return frozenset(pin.sha256 for entry in entries for pin in entry.pins if slot in (None, pin.slot))
