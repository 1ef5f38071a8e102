"""The authoritative servers of a zone, each asked directly: who shows which records, at which serial."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from certctl.announce.primary import Deadline, Primary, words
from certctl.errors import CertctlError
from certctl.system.pool import Pool

MOST_AT_ONCE = 16
_NO_ROUTE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EHOSTUNREACH)


class Authority(NamedTuple):
    """One address of one authoritative server."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class View(NamedTuple):
    """What one of them shows."""

    authority: Authority
    serial: int | None
    records: Mapping[str, frozenset[str]]
    """By owner name."""
    trouble: str | None = None
    """Why it could not be asked."""
    unrouted: bool = False
    """This host has no way to that address at all."""


def authorities(primary: Primary, zone: str) -> list[Authority]:
    """Every address of every server in the zone's own NS records. Raises CertctlError."""
    origin = dns.name.from_text(zone)
    names = [ns.target for ns in _records(primary.ask(zone, "NS"), dns.rdatatype.NS)]
    found = [
        Authority(name.to_text(omit_final_dot=True).lower(), address)
        for name in sorted(names)
        for address in (
            own_addresses(primary, name.to_text()) if name.is_subdomain(origin) else _looked_up(name)
        )
    ]
    if not found:
        servers = ", ".join(str(name) for name in names) or "none at all"
        raise CertctlError(f"no name server of {zone} has an address: {servers}", f"look with: dig NS {zone}")
    return found


def views(servers: Sequence[Authority], zone: str, owners: Sequence[str], deadline: Deadline) -> list[View]:
    """Ask all of *servers* at once."""
    with Pool(min(len(servers), MOST_AT_ONCE), thread_name_prefix="certctl-dns") as threads:
        found = list(threads.map(lambda server: _view(server, zone, owners, deadline), servers))
    return list(_reachable(found))


def _reachable(found: Sequence[View]) -> Iterator[View]:
    """Leave out addresses of a family that this host lacks, where it reaches the same server by another."""
    reached = {view.authority.name for view in found if not view.unrouted}
    for view in found:
        if not view.unrouted or view.authority.name not in reached:
            yield view


def _view(server: Authority, zone: str, owners: Sequence[str], deadline: Deadline) -> View:
    records: dict[str, frozenset[str]] = {}
    try:
        soa = _records(_ask(server, zone, "SOA", deadline), dns.rdatatype.SOA)
        for owner in owners:
            found = _records(_ask(server, owner, "TLSA", deadline), dns.rdatatype.TLSA)
            records[owner] = frozenset(record.to_text().lower() for record in found)
    except OSError as error:
        unrouted = error.errno in _NO_ROUTE
        why = "this host has no route to it" if unrouted else words(error)
        return View(server, None, {}, why, unrouted)
    except (dns.exception.DNSException, EOFError) as error:
        return View(server, None, {}, words(error))
    except CertctlError as error:
        return View(server, None, {}, error.message)
    return View(server, int(soa[0].serial) if soa else None, records)


def _ask(server: Authority, name: str, kind: str, deadline: Deadline) -> dns.message.Message:
    query = dns.message.make_query(dns.name.from_text(name), kind)
    query.flags &= ~dns.flags.RD
    answer, _ = dns.query.udp_with_fallback(query, server.address, timeout=deadline.left())
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise CertctlError(f"it answers {dns.rcode.to_text(answer.rcode())}")
    if not answer.flags & dns.flags.AA:
        raise CertctlError("it is not authoritative for the zone")
    return answer


def _records(answer: dns.message.Message, kind: dns.rdatatype.RdataType) -> list[Any]:
    return [record for rrset in answer.answer if rrset.rdtype == kind for record in rrset]


def own_addresses(primary: Primary, name: str) -> list[str]:
    """The addresses of a host whose name is in the zone itself. Raises CertctlError."""
    found = []
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        answer = primary.ask(name, dns.rdatatype.to_text(kind))
        found += [record.address for record in _records(answer, kind)]
    return found


def _looked_up(name: dns.name.Name) -> list[str]:
    found = []
    for kind in ("A", "AAAA"):
        try:
            answer = dns.resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=10)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise CertctlError(f"cannot look up the address of {name}: {words(error)}") from error
        found += [record.address for record in answer.rrset or ()]
    return found
