"""What the DNS says: where a challenge's record belongs, and whether everybody can see it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from certctl.dns import resolver
from certctl.dns.authority import View, authorities, views
from certctl.dns.server import place
from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.proof import at_once
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


PROPAGATION = 120.0
TTL = 60


class Table:
    """The table of a dns-01 method with its name: ``[issuer.NAME.rfc2136]``, ``.command``, or a provider's.

    The configuration has checked the values that it knows.
    """

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self.where = where
        self._values = values

    def text(self, key: str) -> str:
        """Return a string; empty where there is none."""
        return str(self._values.get(key) or "")

    def seconds(self, key: str, default: float) -> float:
        """Return a number; raises `IssuerError` for anything else."""
        value = self._values.get(key, default)
        if isinstance(value, int | float):
            return float(value)
        raise self.wrong(key, "a number of seconds")

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; one string alone is a list of one."""
        value = self._values.get(key, ())
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list | tuple):
            return tuple(str(item) for item in value)
        raise self.wrong(key, "a list of strings")

    def server(self, key: str) -> str:
        """Return one DNS server. Raises `IssuerError` where there is none."""
        found = self.servers(key)
        if len(found) != 1:
            raise self.wrong(key, "the address of one server")
        return found[0]

    def servers(self, key: str) -> tuple[str, ...]:
        """Return the DNS servers that *key* lists, all of a form that can be one (see `place`)."""
        found = self.texts(key)
        for server in found:
            try:
                place(server)
            except CertctlError as error:
                raise self.wrong(key, "an address such as 192.0.2.53 or [2001:db8::53]:5353") from error
        return found

    def others(self, known: tuple[str, ...]) -> dict[str, object]:
        """Return all values but those of *known*."""
        return {key: value for key, value in self._values.items() if key not in known}

    def wrong(self, key: str, kind: str) -> IssuerError:
        return IssuerError(f"{self.where}: {key} must be {kind}", "see docs/acme.md, dns-01", transient=False)
