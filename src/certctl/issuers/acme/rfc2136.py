"""TXT records by DNS update (RFC 2136), signed with TSIG (RFC 8945)."""

from __future__ import annotations

from certctl.dns import tsig, update
from certctl.issuers.acme.dnslookup import Lookup, Record
from certctl.issuers.acme.dnsoptions import Table
from certctl.system.deadline import left

TIMEOUT = 20.0


class Rfc2136:
    """Adds and removes records at the zone's primary."""

    def __init__(self, table: Table, lookup: Lookup, ttl: int) -> None:
        self._server = table.server("server")
        self._zone = table.text("zone").rstrip(".")
        self._key_file = table.text("tsig_key_file")
        self._lookup = lookup
        self._ttl = ttl

    def add(self, record: Record) -> None:
        self._update(record, [f'"{record.value}"'], [])

    def remove(self, record: Record) -> None:
        self._update(record, [], [f'"{record.value}"'])

    def _update(self, record: Record, add: list[str], delete: list[str]) -> None:
        key = tsig.read(self._key_file) if self._key_file else None
        zone = self._zone or self._lookup.zone(record.name)
        change = update.Change(name=record.name, kind="TXT", ttl=self._ttl, add=add, delete=delete)
        update.update(self._server, zone, [change], left(TIMEOUT), key)
