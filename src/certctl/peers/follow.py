"""Following peers: their feeds, fetched side by side, become lines of policy maps, or nothing changes."""

from __future__ import annotations

import hashlib
import stat
import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from certctl.core import effects
from certctl.core.bundle import Change, Prepared
from certctl.core.feed import entries_for
from certctl.core.model import Failure
from certctl.core.observed import FileSeen, PeerSeen
from certctl.core.pins import policy_line
from certctl.core.spec import HOUR, MINUTE, PeerSpec
from certctl.core.times import after
from certctl.errors import CertctlError, StoreError
from certctl.peers import known as memory
from certctl.peers.known import Known
from certctl.peers.merge import inside, is_marked, merge
from certctl.store import outputs

RETRY = (MINUTE, HOUR)
MOST_AT_ONCE = 8
SHARE_OF_HOLD = 8
"""A feed is asked for so many times in the hold-down of its peer, but within these bounds:"""
OFTEN, SELDOM, OTHERWISE = MINUTE, 6 * HOUR, HOUR

Served = Callable[[str], frozenset[str]]


class Looked(NamedTuple):
    """What came of asking one peer."""

    known: Known
    error: CertctlError | None


class Follower:
    """Follows all peers of one configuration."""

    def __init__(self, peers: Mapping[str, PeerSpec], state_dir: str, served: Served) -> None:
        """*served* looks at what servers at a next-hop show; it is asked only where a feed drops all pins."""
        self._peers = peers
        self._state_dir = state_dir
        self._served = served
        self._known: dict[str, Known] = {}

    def known(self, name: str) -> Known:
        if name not in self._known:
            self._known[name] = memory.load(self._state_dir, name)
        return self._known[name]

    def observe(self) -> tuple[dict[str, PeerSeen], dict[str, FileSeen]]:
        """What is believed of each peer, and what is wrong with each map. No network."""
        peers = {name: self._seen(peer) for name, peer in self._peers.items()}
        paths = dict.fromkeys(peer.map for peer in self._peers.values())
        return peers, {path: self._map(path) for path in paths}

    def _seen(self, peer: PeerSpec) -> PeerSeen:
        known = self.known(peer.name)
        failure = known.failure
        if failure is not None and failure.basis != _basis(peer):
            failure = failure._replace(retry_at=None)
        return PeerSeen(known.accepted_at, known.expires_at, _fetch_at(known), failure)

    def _map(self, path: str) -> FileSeen:
        users = [peer for peer in self._peers.values() if peer.map == path]
        hooks = tuple(dict.fromkeys(hook for peer in users for hook in peer.hooks))
        data = outputs.read(path)
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        lines, text = self.lines(path), _decode(data)
        problem = None
        if (lines or data is not None) and inside(text) != [
            text for texts in lines.values() for text in texts
        ]:
            there = set(inside(text))
            wrong = [name for name, texts in lines.items() if not there.issuperset(texts)]
            problem = f"does not hold the pins of {', '.join(wrong)}" if wrong else "holds lines of nobody"
            if data is None:
                problem = "is missing"
        # Hooks follow what certctl wrote; as long as it could not, there is nothing for them.
        return FileSeen(path, problem, hooks, digest if problem is None and is_marked(text) else None)

    def lines(self, path: str) -> dict[str, list[str]]:
        """The lines that belong into a map, by peer, each with every pin of its next-hop in a fixed order."""
        found: dict[str, list[str]] = {}
        for peer in self._peers.values():
            entries = self.known(peer.name).entries
            for nexthop in peer.nexthops if peer.map == path else ():
                pins = sorted({pin.sha256 for e in entries_for(entries, nexthop) for pin in e.pins})
                if pins:
                    found.setdefault(peer.name, []).append(policy_line(nexthop, pins))
        return found

    def refresh(
        self,
        now: datetime,
        *,
        urgent: bool = False,
        only: Collection[str] | None = None,
        keep: bool = True,
        force: bool = False,
    ) -> dict[str, CertctlError | None]:
        """Ask the peers, all at once, and keep what is believed; by peer, what went wrong.

        *urgent*: also those whose back-off is not over. *keep* False: nothing is
        written. *force*: a feed may drop pins that are served.
        """
        asked = [
            peer
            for name, peer in self._peers.items()
            if (only is None or name in only) and (urgent or not self._waits(peer, now))
        ]
        if not asked:
            return {}
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(asked), MOST_AT_ONCE), thread_name_prefix="certctl-peer") as threads:
            looked = list(threads.map(lambda peer: self._look(peer, now, force), asked))
        return {
            peer.name: self._settle(peer, found, now, keep=keep)
            for peer, found in zip(asked, looked, strict=True)
        }

    def _waits(self, peer: PeerSpec, now: datetime) -> bool:
        failure = self._seen(peer).failure
        return failure is not None and failure.retry_at is not None and failure.retry_at > now

    def _look(self, peer: PeerSpec, now: datetime, force: bool) -> Looked:
        from certctl.peers.fetch import fetch
        from certctl.peers.judge import check_expiry, judge
        from certctl.peers.verify import verify

        known = self.known(peer.name)
        same = known.place == peer.feed and known.configured_key == peer.key and known.serial
        where = f"of {peer.name}"
        try:
            got = fetch(peer.feed, known.etag if same else None)
            if got.data is None:
                check_expiry(known, now, where)
                return Looked(known, None)
            trusted = known.key if known.configured_key == peer.key and known.key else peer.key
            served = None if force else self._served
            believed = judge(peer, known, verify(got.data, trusted, where), now, served)
        except CertctlError as error:
            return Looked(known, error)
        return Looked(believed._replace(place=peer.feed, etag=got.etag), None)

    def _settle(self, peer: PeerSpec, looked: Looked, now: datetime, *, keep: bool) -> CertctlError | None:
        known = looked.known._replace(checked_at=now, failure=None)
        if looked.error is not None:
            if looked.known.serial:
                looked.error.message += "; its pins stay as they were"
            known = looked.known._replace(failure=_failure(peer, looked.known, looked.error, now))
        before, self._known[peer.name] = self.known(peer.name), known
        if not keep or known == before:
            return looked.error
        try:
            memory.save(self._state_dir, peer.name, known)
        except StoreError as error:
            # What cannot be kept must not get into the map either.
            self._known[peer.name] = before
            return looked.error or error
        return looked.error

    def prepare(self, path: str) -> Prepared:
        """The map at *path* with the pins that are believed. Raises CertctlError."""
        info = outputs.lstat(path)
        if info is not None and not stat.S_ISREG(info.st_mode):
            raise CertctlError(f"{path} is not a regular file", f"ls -l {path}", transient=False)
        new = self.preview(path)[1].encode("utf-8", "surrogateescape")
        target = outputs.Target(path, 0o644)
        if info is not None:
            target = target._replace(mode=info.st_mode & 0o7777, uid=info.st_uid, gid=info.st_gid)
        digest = hashlib.sha256(new).hexdigest()
        return Prepared(path, digest, Change(outputs.batch(target, new)))

    def preview(self, path: str) -> tuple[str, str]:
        """The map at *path* as it is, and as it should be. Raises CertctlError."""
        text = _decode(outputs.read(path))
        lines = [line for texts in self.lines(path).values() for line in texts]
        wanted = text is not None or lines
        return text or "", merge(text, lines, path) if wanted else ""


def _decode(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _fetch_at(known: Known) -> datetime | None:
    if known.checked_at is None:
        return None
    holds = [entry.hold_down for entry in known.entries if entry.hold_down]
    pause = min(max(min(holds) / SHARE_OF_HOLD, OFTEN), SELDOM) if holds else OTHERWISE
    return after(known.checked_at, pause)


def _failure(peer: PeerSpec, known: Known, error: CertctlError, now: datetime) -> Failure:
    basis = _basis(peer)
    before = known.failure if known.failure and known.failure.basis == basis else None
    attempts = before.attempts + 1 if before else 1
    retry_at = effects.back_off(attempts, *RETRY, now, error.retry_after)
    return Failure("write", peer.name, error.message, error.hint, now, attempts, retry_at, basis)


def _basis(peer: PeerSpec) -> str:
    return f"{zlib.crc32(repr(peer).encode()):08x}"
