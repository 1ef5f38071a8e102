"""What the DNS says: where a challenge's record belongs, and whether everybody can see it."""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from certctl.errors import IssuerError
from certctl.issuers.acme.dnsoptions import PROPAGATION, Table
from certctl.issuers.acme.shared import at_once
from certctl.system.deadline import left

LABEL = "_acme-challenge"
HOPS = 10
QUERY_TIMEOUT = 4.0
LIFETIME = 15.0
_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EHOSTUNREACH)


class Record(NamedTuple):
    """One TXT record: its absolute name without the last dot, and its value."""

    name: str
    value: str


class Authority(NamedTuple):
    """One address of one authoritative server."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class Lookup:
    """Asks the resolver, and the authoritative servers themselves."""

    def __init__(self, table: Table) -> None:
        """*table*: `resolver` (none: /etc/resolv.conf) and `propagation` (0: nothing is checked)."""
        self._nameservers = table.addresses("resolver")
        self._patience = table.seconds("propagation", PROPAGATION)

    def challenge_name(self, name: str) -> str:
        """Return where the TXT record for *name* belongs: _acme-challenge.NAME, or what its CNAMEs lead to.

        RFC 8555 §8.4 lets the CA follow CNAMEs, so that a zone of little weight can hold the proofs.
        """
        current = dns.name.from_text(f"{LABEL}.{name}")
        seen = [current]
        while True:
            target = self._cname(current)
            if target is None:
                return current.to_text(omit_final_dot=True)
            seen.append(target)
            if target in seen[:-1] or len(seen) > HOPS:
                way = " -> ".join(hop.to_text(omit_final_dot=True) for hop in seen)
                raise IssuerError(f"the CNAMEs of {LABEL}.{name} lead nowhere: {way}", "mend the zone")
            current = target

    def zone(self, name: str) -> str:
        """Return the zone that *name* is in, without the last dot."""
        try:
            found = dns.resolver.zone_for_name(name, resolver=self._resolver(), lifetime=left(LIFETIME))
        except (dns.exception.DNSException, OSError) as error:
            raise IssuerError(
                f"cannot find the zone of {name}: {_words(error)}", f"look with: dig SOA {name}"
            ) from error
        return found.to_text(omit_final_dot=True)

    def wait_until_visible(self, records: Sequence[Record]) -> None:
        """Return once every authoritative server shows all *records*.

        The CA asks any of them, so one that lags may make the challenge fail. Raises `IssuerError`
        if it takes too long.
        """
        if not self._patience:
            return
        deadline = time.monotonic() + left(self._patience)
        zones = at_once(self.zone, [record.name for record in records])
        servers = {zone: self._authorities(zone) for zone in dict.fromkeys(zones)}
        wanted = [(r, server) for r, zone in zip(records, zones, strict=True) for server in servers[zone]]
        pause = 0.05
        while True:
            seen = at_once(self._lacks, wanted)
            lacking = _reachable([(p, why) for p, why in zip(wanted, seen, strict=True) if why], wanted)
            if not lacking:
                return
            if time.monotonic() + pause > deadline:
                (record, authority), why = lacking[0]
                raise IssuerError(
                    f"{authority} does not show the TXT record of {record.name} after "
                    f"{self._patience:g} s: {why}",
                    f"look with: dig +norecurse TXT {record.name} @{authority.address}; a slow zone wants a "
                    "longer propagation",
                )
            wanted = [pair for pair, _ in lacking]
            time.sleep(pause)
            pause = min(pause * 1.6, 5.0)

    def _cname(self, name: dns.name.Name) -> dns.name.Name | None:
        try:
            answer = self._resolver().resolve(
                name, dns.rdatatype.CNAME, raise_on_no_answer=False, search=False, lifetime=left(LIFETIME)
            )
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.DNSException, OSError) as error:
            raise IssuerError(
                f"cannot look up the CNAME of {name}: {_words(error)}", f"look with: dig CNAME {name}"
            ) from error
        return None if answer.rrset is None else answer.rrset[0].target

    def _authorities(self, zone: str) -> list[Authority]:
        """Return every address of every server that *zone* is delegated to."""
        resolver = self._resolver()
        try:
            servers = sorted(
                str(ns.target) for ns in resolver.resolve(f"{zone}.", "NS", lifetime=left(LIFETIME))
            )
        except (dns.exception.DNSException, OSError) as error:
            raise IssuerError(f"cannot look up the name servers of {zone}: {_words(error)}") from error
        found = [
            Authority(server.rstrip("."), address)
            for server in servers
            for address in self._addresses(server)
        ]
        if not found:
            raise IssuerError(f"no name server of {zone} has an address: {', '.join(servers)}")
        return found

    def _addresses(self, server: str) -> list[str]:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = self._resolver().resolve(
                    server, kind, raise_on_no_answer=False, lifetime=left(LIFETIME)
                )
            except dns.resolver.NXDOMAIN:
                return []
            except (dns.exception.DNSException, OSError) as error:
                raise IssuerError(f"cannot look up the address of {server}: {_words(error)}") from error
            found += [record.address for record in answer.rrset or ()]
        return found

    def _lacks(self, pair: tuple[Record, Authority]) -> str:
        """Return why the authority does not show the record; empty if it does."""
        record, authority = pair
        query = dns.message.make_query(f"{record.name}.", dns.rdatatype.TXT)
        query.flags &= ~dns.flags.RD
        try:
            answer, _ = dns.query.udp_with_fallback(query, authority.address, timeout=left(QUERY_TIMEOUT))
        except OSError as error:
            return _UNROUTED if error.errno in _NO_ROUTE else _words(error)
        except dns.exception.DNSException as error:
            return _words(error)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return f"it answers {dns.rcode.to_text(answer.rcode())}"
        values = [
            b"".join(txt.strings)
            for rrset in answer.answer
            if rrset.rdtype == dns.rdatatype.TXT
            for txt in rrset
        ]
        return "" if record.value.encode() in values else f"it shows {len(values)} others"

    def _resolver(self) -> dns.resolver.Resolver:
        if not self._nameservers:
            return dns.resolver.Resolver()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address.host, address.port) for address in self._nameservers
        ]
        return resolver


_UNROUTED = "this host has no route to it"
_Pair = tuple[Record, Authority]


def _reachable(lacking: list[tuple[_Pair, str]], wanted: Sequence[_Pair]) -> list[tuple[_Pair, str]]:
    """Leave out addresses of a family that this host does not have, where others of the zone were asked."""
    kept = [(pair, why) for pair, why in lacking if why != _UNROUTED]
    return kept if len(lacking) - len(kept) < len(wanted) else lacking


def _words(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split()).rstrip(".").lower()
