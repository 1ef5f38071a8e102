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
from certctl.announce.feedhome import ISSUED, is_lost, lost
from certctl.announce.tools import Shown, Tools
from certctl.core import feed
from certctl.core.model import Sighting
from certctl.core.observed import AnnouncerSeen
from certctl.core.pins import Announced
from certctl.core.spec import AnnouncerSpec
from certctl.core.times import minute_text

RENEWED_AT = 2 / 3
"""Share of its validity after which a feed is issued again: peers that ask seldom never hold a dead one."""
MOST_AHEAD = 400 * 86_400_000
"""Milliseconds by which this host's clock may have been set back since the feed was issued."""


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
        renew_at = memory.moment(issued.get("renew_at"))
        if issued and issued.get("validity") != self.spec.validity:
            renew_at = memory.moment(issued.get("issued_at"))
        return AnnouncerSeen(
            want,
            memory.texts(issued.get("certificates")) if same else {},
            f"{self.spec.path} {problem}" if problem and (wanted or found.data is not None) else None,
            (found.seen,),
            due_at=renew_at,
            due_reason=f"the feed expires {minute_text(expires)}" if expires else "the feed has no end",
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
            data = self._issue(documents, issued, now)
            if self.spec.hooks:
                return Shown({})
        why = files.unreadable(self._tools, self.spec, data)
        if why is not None:
            return Shown({}, dict.fromkeys(wanted, why))
        return Shown(dict.fromkeys(wanted, Sighting(watch.now())))

    def _stands(
        self,
        issued: Mapping[str, Any],
        documents: Mapping[str, Mapping[str, Any]],
        found: files.Found,
        now: datetime,
    ) -> bool:
        """Whether what was issued last is there, says what it should, and is young."""
        renew_at = memory.moment(issued.get("renew_at"))
        digests = {name: _digest(document) for name, document in documents.items()}
        says = issued.get("certificates") == digests and issued.get("validity") == self.spec.validity
        return says and found.seen.digest == issued.get("sha256") and renew_at is not None and now < renew_at

    def _next_serial(self, issued: Mapping[str, Any], now: datetime) -> int:
        """Above all that were used: also where the note of the last one is lost, or the clock went back."""
        by_time = int(now.timestamp() * 1000)
        published = _serial(files.look(self.spec).data or b"")
        # Whoever can write the file must not use up all numbers there are.
        published = published if published < by_time + MOST_AHEAD else 0
        return max(memory.number(issued.get("serial")) + 1, published + 1, by_time)

    def _issue(
        self, documents: Mapping[str, Mapping[str, Any]], issued: Mapping[str, Any], now: datetime
    ) -> bytes:
        from certctl.announce import feedkey

        key = feedkey.load(self._home)
        serial = self._next_serial(issued, now)
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


def _serial(data: bytes) -> int:
    """The serial of a feed that is not checked; 0 where there is none."""
    try:
        part = data.split(b".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
        return memory.number(found["serial"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
