"""The signed feed: one file that says which keys are served, which come next, and since when (core.feed)."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from certctl.announce import files, memory
from certctl.announce.feedhome import ISSUED, foreign, is_lost, lost
from certctl.announce.tools import Shown, Tools
from certctl.planning import feed
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced
from certctl.planning.spec import AnnouncerSpec
from certctl.planning.state import Observation
from certctl.planning.times import after, minute_text

RENEWED_AT = 2 / 3
"""Share of its validity after which a feed is issued again: peers that ask seldom never hold a dead one."""
MOST_AHEAD = 60.0
"""Seconds by which a feed may have been issued later than now: beyond that the clock was wrong then."""


class FeedAnnouncer:
    """Issues the feed anew when it would say something else, when it grows old, or when it was touched."""

    def __init__(self, spec: AnnouncerSpec, tools: Tools, home: str) -> None:
        self.spec = spec
        self._tools = tools
        self._home = home
        self._path = os.path.join(home, ISSUED)

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What the file says is known without checking its signature: by the digest of what was signed."""
        want = {name: _digest(feed.entry_document(entry)) for name, entry in wanted.items()}
        found, issued = files.look(self.spec), memory.load(self._path)
        same = found.seen.digest is not None and found.seen.digest == issued.get("sha256")
        problem = found.problem
        if problem is None and not same:
            problem = "is not what certctl wrote" if issued else "was not made by this certctl"
        if problem is None and is_lost(self._home):
            problem = "was signed with a key that is gone"
        expires = memory.moment(issued.get("expires_at"))
        renew_at, issued_at = memory.moment(issued.get("renew_at")), memory.moment(issued.get("issued_at"))
        if issued and issued.get("validity") != self.spec.validity:
            renew_at = issued_at
        return AnnouncerSeen(
            want,
            memory.texts(issued.get("certificates")) if same else {},
            f"{self.spec.path} {problem}" if problem and (wanted or found.data is not None) else None,
            (found.seen,),
            due_at=renew_at,
            due_reason=f"the feed expires {minute_text(expires)}" if expires else "the feed has no end",
            ahead_until=after(issued_at, -MOST_AHEAD) if issued_at else None,
            absent=frozenset() if same else _absent(wanted, found.data),
        )

    def show(self, wanted: Mapping[str, Announced], now: datetime) -> Shown:
        """Issue the feed if need be; then look whether it can be read at the URL."""
        if is_lost(self._home):
            raise lost(self._home)
        watch = files.Stopwatch(now)
        documents = {name: feed.entry_document(entry) for name, entry in wanted.items()}
        found, issued = files.look(self.spec), memory.load(self._path)
        data = found.data
        if data is None or found.problem or not self._stands(issued, documents, found, now):
            data = self._issue(documents, issued, found.data, now)
            if self.spec.hooks:
                return Shown({})
        why = files.unreadable(self._tools, self.spec, data)
        if why is not None:
            return Shown({}, dict.fromkeys(wanted, why))
        return Shown(dict.fromkeys(wanted, Observation(watch.now())))

    def _stands(
        self,
        issued: Mapping[str, Any],
        documents: Mapping[str, Mapping[str, Any]],
        found: files.Found,
        now: datetime,
    ) -> bool:
        """Whether what was issued last is there, says what it should, and is young."""
        renew_at, issued_at = memory.moment(issued.get("renew_at")), memory.moment(issued.get("issued_at"))
        if issued_at is None or renew_at is None or not after(issued_at, -MOST_AHEAD) <= now < renew_at:
            return False
        digests = {name: _digest(document) for name, document in documents.items()}
        says = issued.get("certificates") == digests and issued.get("validity") == self.spec.validity
        return says and found.seen.digest == issued.get("sha256")

    def _issue(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        issued: Mapping[str, Any],
        published: bytes | None,
        now: datetime,
    ) -> bytes:
        from certctl.announce import feedkey

        key = feedkey.load(self._home, published)
        signer = feedkey.signer(published)
        if signer is not None and not feedkey.is_own(key, signer):
            raise foreign(self._home, self.spec.path)
        # Above all that were used, whatever the clock says: also where the note of the
        # last one is lost. What others wrote there uses up no numbers.
        used = max(memory.number(issued.get("serial")), signer.serial if signer else 0)
        serial = max(used + 1, int(now.timestamp() * 1000))
        expires = now + timedelta(seconds=self.spec.validity)
        payload = feed.payload(
            documents.values(), serial=serial, issued_at=now, expires_at=expires, handovers=key.handovers
        )
        data = feedkey.sign(key.jwk, payload, feed.KIND) + b"\n"
        note = {
            "version": 1,
            "serial": serial,
            "issued_at": memory.moment_text(now),
            "expires_at": memory.moment_text(expires),
            "renew_at": memory.moment_text(now + timedelta(seconds=self.spec.validity * RENEWED_AT)),
            "validity": self.spec.validity,
            "sha256": hashlib.sha256(data).hexdigest(),
            "certificates": {name: _digest(document) for name, document in documents.items()},
        }
        # The serial must be kept before anybody can have seen it.
        memory.save(self._path, note)
        files.put(self.spec, data)
        return data


def _absent(wanted: Mapping[str, Announced], published: bytes | None) -> frozenset[str]:
    """The pins that another feed than ours, which is there, does not tell; none where it is no feed."""
    try:
        told = feed.parse(base64.urlsafe_b64decode((published or b"").split(b".")[1] + b"=="))
    except (IndexError, ValueError):  # what nobody can read retracts nothing
        return frozenset()
    there = {pin.sha256 for entry in told.entries for pin in entry.pins}
    return frozenset(pin.sha256 for entry in wanted.values() for pin in entry.pins) - there


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
