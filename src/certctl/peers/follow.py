"""Following peers: their feeds, fetched side by side, become lines of policy maps, or nothing changes."""

from __future__ import annotations

import hashlib
import stat
import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from typing import NamedTuple

from certctl.errors import CertctlError, StateError, UnreadableError
from certctl.peers import known as memory
from certctl.peers.known import Known
from certctl.peers.merge import inside, is_marked, merge
from certctl.planning import retry
from certctl.planning.feed import entries_for
from certctl.planning.observed import FileSeen, PeerSeen
from certctl.planning.pins import policy_line
from certctl.planning.spec import HOUR, MINUTE, PeerSpec
from certctl.planning.state import Failure
from certctl.planning.times import after
from certctl.store import outputs
from certctl.system import files, surprise
from certctl.x509.bundle import Change, Prepared

RETRY = (MINUTE, HOUR)
MOST_AT_ONCE = 32
"""Feeds that are fetched side by side: waiting costs nothing, and the dead must not hold up the living."""
SHARE_OF_HOLD = 8
"""A feed is asked for so many times in the hold-down of its peer, but within these bounds:"""
OFTEN, SELDOM, OTHERWISE = MINUTE, 6 * HOUR, HOUR
EPOCH = datetime.fromtimestamp(0, timezone.utc)

Served = Callable[[str], frozenset[str]]


class Recalled(NamedTuple):
    """What is remembered of a peer, or why that is not known."""

    known: Known
    trouble: CertctlError | None = None
    """As long as there is any, the lines of the peer stay in the map as they are."""
    lost: bool = False
    """Whether it is gone for good: a person may say that the peer is to be believed anew."""


class Fetched(NamedTuple):
    """What came of asking one peer; nothing of it is kept yet."""

    before: Recalled
    known: Known
    error: CertctlError | None = None


class Follower:
    """Follows all peers of one configuration.

    `ask` speaks to others and writes nothing; `keep` writes, and speaks to nobody.
    """

    def __init__(self, peers: Mapping[str, PeerSpec], state_dir: str, served: Served) -> None:
        """*served* looks at what servers at a next-hop show; it is asked only where a feed drops all pins."""
        self._peers = peers
        self._state_dir = state_dir
        self._served = served
        self._recalled: dict[str, Recalled] = {}
        self._owners: dict[str, str] = {}
        """By next-hop, the peer that was configured first: its lines are the ones that count."""
        for peer in peers.values():
            for nexthop in peer.nexthops:
                self._owners.setdefault(nexthop.lower(), peer.name)

    def known(self, name: str) -> Known:
        return self._recall(name).known

    def _recall(self, name: str) -> Recalled:
        if name not in self._recalled:
            self._recalled[name] = self._look_up(self._peers[name])
        return self._recalled[name]

    def _look_up(self, peer: PeerSpec) -> Recalled:
        """What is on disk of *peer*: no serial is forgotten silently, nor are the last pins of a map."""
        try:
            known = memory.load(self._state_dir, peer.name)
            if known is not None:
                return Recalled(known)
            if not self._held(peer):
                return Recalled(Known())
            place = memory.path(self._state_dir, peer.name)
            why = f"{place} is missing, though {peer.map} holds pins of {peer.name}"
        except UnreadableError as error:
            return Recalled(Known(), error)
        except StateError as error:
            why = error.message
        return Recalled(
            Known(),
            StateError(
                f"{why}: its latest serial is not known any more, so its pins stay as they were",
                f"bring the file back from a backup; or, if the feed that is served now is no old copy: "
                f"certctl peers sync --accept-serial {peer.name}",
            ),
            lost=True,
        )

    def observe(self) -> tuple[dict[str, PeerSeen], dict[str, FileSeen]]:
        """What is believed of each peer, and what is wrong with each map. No network."""
        peers = {name: self._seen(peer) for name, peer in self._peers.items()}
        paths = dict.fromkeys(peer.map for peer in self._peers.values())
        return peers, {path: self._map(path) for path in paths}

    def _seen(self, peer: PeerSpec) -> PeerSeen:
        known, trouble, _ = self._recall(peer.name)
        failure = known.failure
        if failure is not None and failure.basis != _basis(peer):
            failure = failure._replace(retry_at=None)
        error = trouble or (self._taken(peer) if failure is None else None)
        if error is not None:
            failure = Failure("write", peer.name, error.message, error.hint, known.checked_at or EPOCH)
        return PeerSeen(known.accepted_at, known.expires_at, _fetch_at(known), failure)

    def _map(self, path: str) -> FileSeen:
        users = [peer for peer in self._peers.values() if peer.map == path]
        hooks = tuple(dict.fromkeys(hook for peer in users for hook in peer.hooks))
        try:
            data, lines = files.read_file(path), self.lines(path)
        except UnreadableError as error:
            return FileSeen(path, f"cannot be compared: {error.message}", hooks)
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        text = _decode(data)
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
        """The lines that belong into a map, by peer, each with every pin of its next-hop in a fixed order.

        Where the memory of a peer is gone, what the map says is all there is, and stays.
        """
        found: dict[str, list[str]] = {}
        for peer in self._peers.values():
            if peer.map != path:
                continue
            known, trouble, _ = self._recall(peer.name)
            if trouble is not None:
                texts = self._held(peer)
            else:
                texts = [line for nexthop in self._own(peer) for line in _lines(known, nexthop)]
            if texts:
                found[peer.name] = texts
        return found

    def _held(self, peer: PeerSpec) -> list[str]:
        """The lines of *peer* that its map holds. Raises UnreadableError."""
        own = self._own(peer)
        lines = inside(_decode(files.read_file(peer.map)))
        return [line for line in lines if line.split() and line.split()[0] in own]

    def _own(self, peer: PeerSpec) -> list[str]:
        """The next-hops of *peer* but for those that a peer before it has."""
        return [nexthop for nexthop in peer.nexthops if self._owners[nexthop.lower()] == peer.name]

    def _taken(self, peer: PeerSpec) -> CertctlError | None:
        """What is wrong with the next-hops of *peer*, if a peer before it has some of them."""
        taken = {n: self._owners[n.lower()] for n in peer.nexthops if n not in self._own(peer)}
        if not taken:
            return None
        words = ", ".join(f"{nexthop} (of {owner})" for nexthop, owner in taken.items())
        return CertctlError(
            f"it has next-hops of peers that were configured before it, whose pins count: {words}",
            f"take them out of nexthops of [peer.{peer.name}], or of the others",
            transient=False,
        )

    def refresh(
        self,
        now: datetime,
        *,
        urgent: bool = False,
        only: Collection[str] | None = None,
        force: bool = False,
        accept: bool = False,
    ) -> dict[str, CertctlError | None]:
        """Ask the peers, and keep what is believed; by peer, what went wrong."""
        return self.keep(self.ask(now, urgent=urgent, only=only, force=force, accept=accept), now)

    def ask(
        self,
        now: datetime,
        *,
        urgent: bool = False,
        only: Collection[str] | None = None,
        force: bool = False,
        accept: bool = False,
    ) -> dict[str, Fetched]:
        """Fetch and judge the feeds, side by side; by peer that was asked, what came of it.

        Nothing is written. *urgent*: also those whose back-off is not over. *force*: a feed may drop pins
        that are served. *accept*: a peer whose memory is lost is believed anew.
        """
        asked = [
            peer
            for name, peer in self._peers.items()
            if (only is None or name in only) and (urgent or not self._waits(peer, now))
        ]
        # Whoever waited longest comes first, should the time not be enough for all.
        asked.sort(key=lambda peer: _last_tried(self.known(peer.name)))
        if not asked:
            return {}
        from certctl.system.pool import Pool

        with Pool(min(len(asked), MOST_AT_ONCE), thread_name_prefix="certctl-peer") as threads:
            looked = list(threads.map(lambda peer: self._look(peer, now, force, accept), asked))
        return {peer.name: found for peer, found in zip(asked, looked, strict=True)}

    def keep(
        self, asked: Mapping[str, Fetched], now: datetime, *, write: bool = True
    ) -> dict[str, CertctlError | None]:
        """Durably keep what was *asked*; by peer, what went wrong.

        What another pass has kept since then stays. *write* False: it is believed, and kept nowhere.
        """
        outcomes: dict[str, CertctlError | None] = {}
        changed: dict[str, Known] = {}
        for name, looked in asked.items():
            peer, before = self._peers[name], self._look_up(self._peers[name])
            if before.known != looked.before.known or before.lost != looked.before.lost:
                self._recalled[name] = before
                continue
            if looked.error is not None and looked.known.serial and before.trouble is None:
                stays = looked.error.saying(f"{looked.error.message}; its pins stay as they were")
                looked = looked._replace(error=stays)  # noqa: PLW2901
            outcomes[name] = looked.error or self._taken(peer)
            known = _settled(peer, looked, now)
            if known is None:
                continue
            self._recalled[name] = Recalled(known)
            if known != before.known:
                changed[name] = known
        failures = memory.save(self._state_dir, changed) if write and changed else {}
        for name, error in failures.items():
            # What cannot be kept must not get into the map either.
            self._recalled[name] = asked[name].before
            outcomes[name] = outcomes[name] or error
        return outcomes

    def forget(self) -> None:
        """Others may have changed what is believed: it is read again when it is needed."""
        self._recalled.clear()

    def _waits(self, peer: PeerSpec, now: datetime) -> bool:
        failure = self._seen(peer).failure
        return failure is not None and failure.retry_at is not None and failure.retry_at > now

    def _look(self, peer: PeerSpec, now: datetime, force: bool, accept: bool) -> Fetched:
        before = self._recall(peer.name)
        if before.trouble is not None and not (accept and before.lost):
            return Fetched(before, before.known, before.trouble)
        try:
            return Fetched(before, self._judged(peer, before.known, now, force))
        except CertctlError as error:
            return Fetched(before, before.known, error)

    def _judged(self, peer: PeerSpec, known: Known, now: datetime, force: bool) -> Known:
        """What is known of *peer* once its feed is believed. Raises CertctlError."""
        from certctl.peers.fetch import TIMEOUT, fetch, strangers
        from certctl.peers.judge import check_expiry, judge
        from certctl.peers.verify import verify

        same = known.place == peer.feed and known.configured_key == peer.key and known.serial
        where = f"of {peer.name}"
        try:
            got = fetch(peer.feed, known.etag if same else None)
            if got.data is None:
                check_expiry(known, now, where)
                return known
            trusted = known.key if known.configured_key == peer.key and known.key else peer.key
            # First where it can do no harm. What comes back is checked again here: if that process was
            # taken over by one peer, it still cannot invent pins of another one.
            strangers.insist(verify, got.data, trusted, where, seconds=TIMEOUT)
            served = None if force else self._served
            believed = judge(peer, known, verify(got.data, trusted, where), now, served)
        except Exception as error:
            # Whatever a peer finds to send that nobody foresaw: the others go on.
            raise surprise.told(error) from error
        return believed._replace(place=peer.feed, etag=got.etag)

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
        text = _decode(files.read_file(path))
        lines = [line for texts in self.lines(path).values() for line in texts]
        wanted = text is not None or lines
        return text or "", merge(text, lines, path) if wanted else ""


def _decode(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _lines(known: Known, nexthop: str) -> list[str]:
    pins = sorted({pin.sha256 for e in entries_for(known.entries, nexthop) for pin in e.pins})
    return [policy_line(nexthop, pins)] if pins else []


def _last_tried(known: Known) -> datetime:
    tried = [moment for moment in (known.checked_at, known.failure and known.failure.at) if moment]
    return max(tried, default=EPOCH)


def _settled(peer: PeerSpec, looked: Fetched, now: datetime) -> Known | None:
    """What is to be remembered of *peer*; None where nothing is, as what was remembered is not known."""
    if looked.error is None:
        return looked.known._replace(checked_at=now, failure=None)
    if looked.before.trouble is not None:
        return None
    return looked.known._replace(failure=_failure(peer, looked.known, looked.error, now))


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
    retry_at = retry.back_off(attempts, *RETRY, now, error.retry_after)
    return Failure("write", peer.name, error.message, error.hint, now, attempts, retry_at, basis)


def _basis(peer: PeerSpec) -> str:
    return f"{zlib.crc32(repr(peer).encode()):08x}"
