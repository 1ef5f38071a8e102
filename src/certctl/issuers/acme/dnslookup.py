"""What the DNS says: where a challenge's record belongs, and whether everybody can see it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from certctl.dns import resolver
from certctl.dns.authority import View, authorities, views
from certctl.errors import IssuerError
from certctl.issuers.acme.dnsoptions import PROPAGATION, Table
from certctl.issuers.acme.shared import at_once
from certctl.system.deadline import left

LABEL = "_acme-challenge"
HOPS = 10
LIFETIME = 15.0
LEAST = 4.0
"""Seconds for a look at all servers, however little patience there is."""


class Record(NamedTuple):
    """One TXT record: its absolute name without the last dot, and its value."""

    name: str
    value: str


Server = tuple[str, str]
"""Name and address of an authoritative server."""


class Lookup:
    """Asks the resolver, and the authoritative servers themselves."""

    def __init__(self, table: Table) -> None:
        """*table*: `resolver` (none: /etc/resolv.conf) and `propagation` (0: nothing is checked)."""
        self._resolvers = table.servers("resolver")
        self._patience = table.seconds("propagation", PROPAGATION)

    def challenge_name(self, name: str) -> str:
        """Return where the TXT record for *name* belongs: _acme-challenge.NAME, or what its CNAMEs lead to.

        RFC 8555 §8.4 lets the CA follow CNAMEs, so that a zone of little weight can hold the proofs.
        """
        seen = [f"{LABEL}.{name}"]
        while target := resolver.lookup(seen[-1], "CNAME", left(LIFETIME), self._resolvers):
            seen.append(target[0].rstrip(".").lower())
            if seen[-1] in seen[:-1] or len(seen) > HOPS:
                raise IssuerError(
                    f"the CNAMEs of {LABEL}.{name} lead nowhere: {' -> '.join(seen)}", "mend the zone"
                )
        return seen[-1]

    def zone(self, name: str) -> str:
        """Return the zone that *name* is in, without the last dot."""
        return resolver.zone_of(name, left(LIFETIME), self._resolvers)

    def wait_until_visible(self, records: Sequence[Record]) -> None:
        """Return once every authoritative server shows all *records*.

        The CA asks any of them, so one that lags may make the challenge fail. Raises `CertctlError`
        if it takes too long.
        """
        if not self._patience:
            return
        end = time.monotonic() + left(self._patience)
        zones = at_once(self.zone, [record.name for record in records])
        servers = {zone: authorities(zone, left(LIFETIME), self._resolvers) for zone in dict.fromkeys(zones)}
        wanted: dict[Server, list[Record]] = {}
        for record, zone in zip(records, zones, strict=True):
            for name, address in servers[zone]:
                wanted.setdefault((name, address), []).append(record)
        pause = 0.05
        while True:
            asked = [(server[1], [(one.name, "TXT") for one in its]) for server, its in wanted.items()]
            seen = views(asked, left(max(end - time.monotonic(), LEAST)))
            lacking = _lacking(wanted, seen)
            if not lacking:
                return
            if time.monotonic() + pause > end:
                (server, address), (missing, why) = next(iter(lacking.items()))
                name = missing[0].name
                raise IssuerError(
                    f"{server} ({address}) does not show the TXT record of {name} after "
                    f"{self._patience:g} s: {why}",
                    f"look with: dig +norecurse TXT {name} @{address}; a slow zone wants a "
                    "longer propagation",
                )
            wanted = {server: missing for server, (missing, _) in lacking.items()}
            time.sleep(pause)
            pause = min(pause * 1.6, 5.0)


def _lacking(
    wanted: Mapping[Server, Sequence[Record]], seen: Sequence[View]
) -> dict[Server, tuple[list[Record], str]]:
    """By server, what it does not show, and why.

    Addresses of a family that this host does not have are left out, where others were asked.
    """
    found: dict[Server, tuple[list[Record], str]] = {}
    every = all(view["unrouted"] for view in seen)
    for (server, records), view in zip(wanted.items(), seen, strict=True):
        shown = dict(zip(records, view["answers"], strict=True))
        missing = [record for record, texts in shown.items() if record.value not in texts]
        if missing and (every or not view["unrouted"]):
            found[server] = missing, view["trouble"] or f"it shows {len(shown[missing[0]])} others"
    return found
