"""TLSA records by DNS update: its own and no others, seen once every authoritative server shows them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from certctl.announce import files, memory
from certctl.announce.tools import Asked, Shown, Tools
from certctl.errors import CertctlError
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced, tlsa_names
from certctl.planning.spec import DAY, AnnouncerSpec
from certctl.planning.state import Observation
from certctl.planning.times import after

if TYPE_CHECKING:
    from certctl.announce.nameservers import Found, Primary, View
    from certctl.dns.server import Deadline
    from certctl.dns.update import Change

PATIENCE = 3.0
"""Seconds in which servers that are notified of an update are waited for; slower ones are asked later."""
PAUSE = 0.1

Records = dict[str, frozenset[str]]
"""Owner name -> data "3 1 1 …"."""


class Diff(NamedTuple):
    """What is to be done, and what the waits are then."""

    changes: list[Change]
    ours: Records
    """What will be ours once it is done."""
    waits: dict[str, float]
    """By certificate of which something is added: twice the TTL of what was there before."""
    put_back: frozenset[str]
    """Data of records that were ours, and are gone."""


class DnsAnnouncer:
    """Remembers in records.json what it publishes before it does, so that nothing of others is touched."""

    def __init__(self, spec: AnnouncerSpec, tools: Tools, home: str) -> None:
        self.spec = spec
        self._tools = tools
        self._path = os.path.join(home, "records.json")

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What was published last. That it still is there is looked at once a day."""
        note = self._note()
        told = _told(note)
        want = {name: self._lines(entry) for name, entry in wanted.items()}
        verified = memory.moment(note.get("verified_at"))
        return AnnouncerSeen(
            {name: _digest(lines) for name, lines in want.items()},
            {name: _digest(lines) for name, lines in told.items()},
            "a DNS update was cut short" if note.get("pending") else None,
            fewer=frozenset(name for name, lines in want.items() if set(lines) < set(told.get(name, ()))),
            due_at=after(verified, DAY) if verified else None,
            due_reason="what its servers show is looked at once a day",
        )

    def show(self, wanted: Mapping[str, Announced], now: datetime) -> Shown:
        """Bring the zone to *wanted*, then ask every authoritative server. Raises CertctlError."""
        from certctl.announce.nameservers import Primary
        from certctl.announce.served import still_served
        from certctl.dns.server import Deadline

        watch = files.Stopwatch(now)
        deadline = Deadline(self.spec.timeout, f"the zone {self.spec.zone}")
        want = {name: self._lines(entry) for name, entry in wanted.items()}
        for name, lines in want.items():
            if not lines:
                raise CertctlError(
                    f"none of the names of {name} is a host in the zone {self.spec.zone}",
                    f"take {self.spec.name} out of its announce, or set zone",
                    transient=False,
                )
        primary = Primary(self.spec, deadline)
        note = self._note()
        kept = still_served(primary, self._tools, _told(note), want)
        want = {name: (*lines, *kept.lines.get(name, ())) for name, lines in want.items()}
        diff = self._diff(primary, note, want)
        if diff.changes:
            note = self._update(primary, note, diff)
        note = {
            **note,
            "pending": False,
            "records": {owner: sorted(data) for owner, data in diff.ours.items() if data},
            "certificates": {name: list(lines) for name, lines in want.items()},
            "verified_at": memory.moment_text(now),
        }
        memory.save(self._path, note)
        unseen, asked = self._look(primary, want, deadline, PATIENCE if diff.changes else 0.0)
        waits = {name: _wait(note, name) for name in want}
        seen = [name for name in want if name not in unseen]
        marks = {name: {"seconds": waits[name], "seen": name in seen} for name in want}
        if marks != note.get("waits"):
            memory.save(self._path, {**note, "waits": marks})
        observations = {name: Observation(watch.now(), waits[name]) for name in seen}
        return Shown(observations, unseen, asked, kept.problem, _pins(wanted, diff.put_back))

    def _note(self) -> dict[str, Any]:
        """What is remembered of this zone; what was published in another one is left to itself."""
        note = memory.load(self._path)
        return note if note.get("zone") == self.spec.zone else {"version": 1, "zone": self.spec.zone}

    def _lines(self, entry: Announced) -> tuple[str, ...]:
        """ "OWNER TTL 3 1 1 …" for each host in the zone, port and pin."""
        pins = sorted({pin.sha256.replace(":", "").lower() for pin in entry.pins})
        return tuple(
            f"_{port}._tcp.{name} {self.spec.ttl} 3 1 1 {pin}"
            for name in tlsa_names(entry.names)
            if name == self.spec.zone or name.endswith(f".{self.spec.zone}")
            for port in self.spec.ports
            for pin in pins
        )

    def _diff(self, primary: Primary, note: Mapping[str, Any], want: Mapping[str, tuple[str, ...]]) -> Diff:
        """Compare what is wanted with what the primary has."""
        ours = {owner: frozenset(_texts(data)) for owner, data in _dict(note.get("records")).items()}
        desired = _records(want)
        users = {owner: [n for n in want if owner in _records({n: want[n]})] for owner in desired}
        changes: list[Change] = []
        kept: Records = {}
        waits: dict[str, float] = {}
        gone: set[str] = set()
        for owner, there in primary.tlsa(dict.fromkeys([*desired, *ours])).items():
            mine, wished = ours.get(owner, frozenset()), desired.get(owner, frozenset())
            foreign = there.data - mine
            # All records of a set have one TTL (RFC 2181 §5.2): with others' among them it is theirs.
            ttl = there.ttl if foreign else self.spec.ttl
            add = wished - there.data
            gone |= add & mine
            other_ttl = there.data & wished & mine if not foreign and there.ttl != ttl else frozenset()
            delete = (mine - wished) & there.data
            kept[owner] = (mine & wished & there.data) | add
            if add or delete or other_ttl:
                new, old = sorted(add | other_ttl), sorted(delete)
                changes.append({"name": owner, "kind": "TLSA", "ttl": ttl, "add": new, "delete": old})
            if add:
                for name in users.get(owner, ()):
                    waits[name] = max(waits.get(name, 0.0), _twice(there))
        return Diff(changes, kept, waits, frozenset(gone))

    def _update(self, primary: Primary, note: dict[str, Any], diff: Diff) -> dict[str, Any]:
        """Send it, having written down first what may be in the zone afterwards."""
        before = {owner: set(_texts(data)) for owner, data in _dict(note.get("records")).items()}
        owners = dict.fromkeys([*before, *diff.ours])
        maybe = {owner: sorted(before.get(owner, set()) | diff.ours.get(owner, set())) for owner in owners}
        waits = dict(_dict(note.get("waits")))
        for name, seconds in diff.waits.items():
            old = _dict(waits.get(name))
            unseen = _wait(note, name) if old and not old.get("seen") else 0.0
            waits[name] = {"seconds": max(seconds, unseen), "seen": False}
        note = {**note, "pending": True, "records": maybe, "waits": waits}
        memory.save(self._path, note)
        primary.update(diff.changes)
        return note

    def _look(
        self, primary: Primary, want: Mapping[str, tuple[str, ...]], deadline: Deadline, patience: float
    ) -> tuple[dict[str, str], tuple[Asked, ...]]:
        """By certificate, which servers do not show it, after having waited a little for those that lag.

        With it, every server and what it had.
        """
        from certctl.announce.nameservers import views

        servers = primary.authorities()
        desired = _records(want)
        end = time.monotonic() + patience
        while True:
            seen = list(views(servers, self.spec.zone, list(desired), deadline.left()))
            lagging = [view for view in seen if _lacks(view, desired)]
            if not lagging or time.monotonic() + PAUSE > end:
                break
            time.sleep(PAUSE)
        serial = primary.serial()
        unseen = {
            name: "; ".join(reasons)
            for name, lines in want.items()
            if (reasons := [_reason(v, name, serial) for v in lagging if _lacks(v, _records({name: lines}))])
        }
        return unseen, tuple(_asked(view, view in lagging) for view in seen)


def _pins(wanted: Mapping[str, Announced], records: frozenset[str]) -> frozenset[str]:
    """The pins that are in these data of records."""
    data = {record.rsplit(" ", 1)[-1] for record in records}
    every = {pin.sha256 for entry in wanted.values() for pin in entry.pins}
    return frozenset(pin for pin in every if pin.replace(":", "").lower() in data)


def _lacks(view: View, desired: Mapping[str, frozenset[str]]) -> bool:
    if view.trouble is not None:
        return True
    return any(not data <= view.records.get(owner, frozenset()) for owner, data in desired.items())


def _reason(view: View, name: str, serial: int) -> str:
    if view.trouble is not None:
        return f"{view.server} cannot be asked for the pins of {name}: {view.trouble}"
    has = "no zone" if view.serial is None else f"serial {view.serial}"
    return f"{view.server} does not show the pins of {name} yet: it has {has}, the primary {serial}"


def _told(note: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The lines that were published last, by certificate."""
    return {name: _texts(data) for name, data in _dict(note.get("certificates")).items()}


def _asked(view: View, lags: bool) -> Asked:
    problem = view.trouble or ("it does not show all pins yet" if lags else None)
    return Asked(view.name, view.address, view.serial, problem)


def _records(want: Mapping[str, tuple[str, ...]]) -> Records:
    found: dict[str, set[str]] = {}
    for lines in want.values():
        for line in lines:
            owner, _, data = line.split(" ", 2)
            found.setdefault(owner, set()).add(data)
    return {owner: frozenset(data) for owner, data in found.items()}


def _twice(there: Found) -> float:
    return 2.0 * there.ttl if there.data else 0.0


def _wait(note: Mapping[str, Any], name: str) -> float:
    seconds = _dict(_dict(note.get("waits")).get(name)).get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _digest(lines: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
