"""What resolvers say, and whether they have validated it: the AD bit (RFC 4035 §3.2.3, RFC 6840 §5.7)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypedDict

import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.resolver

from certctl.dns import wire
from certctl.dns.process import child
from certctl.dns.server import PORT, Deadline, locate
from certctl.errors import CertctlError

LIFETIME = 15.0
"""Seconds for one lookup, at most."""
SECURE, INSECURE, BOGUS, UNVALIDATED, FAILED = "secure", "insecure", "bogus", "unvalidated", "failed"


@child.runs
def lookup(
    name: str, kind: str, seconds: float, servers: Sequence[str] = (), *, validate: bool = True
) -> list[str]:
    """The data of the records, see `wire.text`; none where there are none. Raises CertctlError.

    *servers* are asked; none: those of resolv.conf(5). *validate*: else also what has wrong signatures.
    """
    deadline = Deadline(seconds, f"the lookup of {name}")
    try:
        stub = _stub(servers, deadline, validate=validate)
        answer = stub.resolve(
            wire.absolute(name),
            kind,
            raise_on_no_answer=False,
            search=False,
            lifetime=deadline.left(LIFETIME),
        )
    except dns.resolver.NXDOMAIN:
        return []
    except wire.FAILURES as error:
        raise CertctlError(
            f"cannot look up {kind} of {name}: {wire.words(error)}", f"look with: dig {kind} {name}"
        ) from error
    return [wire.text(record) for record in answer.rrset or ()]


@child.runs
def addresses(name: str, seconds: float, servers: Sequence[str] = (), *, validate: bool = True) -> list[str]:
    """The addresses of *name*, IPv6 and IPv4; see `lookup`."""
    deadline = Deadline(seconds, f"the lookup of {name}")
    kinds = ("AAAA", "A")
    return [at for kind in kinds for at in lookup(name, kind, deadline.left(), servers, validate=validate)]


@child.runs
def zone_of(name: str, seconds: float, servers: Sequence[str] = (), *, validate: bool = True) -> str:
    """The zone that *name* is in, in lower case and without the last dot; see `lookup`."""
    deadline = Deadline(seconds, f"looking for the zone of {name}")
    hint = f"look with: dig SOA {name}"
    try:
        stub = _stub(servers, deadline, validate=validate)
        found = dns.resolver.zone_for_name(
            wire.absolute(name), resolver=stub, lifetime=deadline.left(LIFETIME)
        )
    except wire.FAILURES as error:
        raise CertctlError(f"cannot find the zone of {name}: {wire.words(error)}", hint) from error
    if found == dns.name.root:
        raise CertctlError(f"cannot find the zone of {name}: it is in none", hint)
    return found.to_text(omit_final_dot=True).lower()


class Verdict(TypedDict):
    """What a validating resolver makes of one name and type."""

    texts: list[str]
    state: str
    """secure: validated; insecure: it validates, but here is nothing signed; bogus: the signatures are wrong;
    unvalidated: it does not validate; failed: it could not say."""
    problem: str | None
    """For failed and bogus: what it said."""


@child.runs
def validated(name: str, kind: str, server: str, seconds: float) -> Verdict:
    """Ask one resolver about *name* and *kind*. A failure is in the value."""
    deadline = Deadline(seconds, f"asking {server}")
    try:
        address = locate(server, deadline.left())
        found = _verdict(name, kind, address, deadline)
        # Whether it sets the AD bit at all, the root of the DNS shows.
        if found["state"] == UNVALIDATED and _verdict(".", "SOA", address, deadline)["state"] == SECURE:
            found["state"] = INSECURE
    except CertctlError as error:
        return {"texts": [], "state": FAILED, "problem": f"no answer for {name} {kind}: {error.message}"}
    return found


def _verdict(name: str, kind: str, address: tuple[str, int], deadline: Deadline) -> Verdict:
    answer = _recursive(name, kind, address, deadline)
    problem = wire.refusal(answer)
    if answer.rcode() == dns.rcode.SERVFAIL:
        # Is there an answer for who does not check signatures?
        answer = _recursive(name, kind, address, deadline, dns.flags.CD)
        if not wire.refusal(answer):
            problem += ", unless it is told not to check"
            return {"texts": wire.texts(answer, kind), "state": BOGUS, "problem": problem}
    if problem:
        return {"texts": [], "state": FAILED, "problem": problem}
    state = SECURE if answer.flags & dns.flags.AD else UNVALIDATED
    return {"texts": wire.texts(answer, kind), "state": state, "problem": None}


def _recursive(
    name: str, kind: str, address: tuple[str, int], deadline: Deadline, flags: int = 0
) -> dns.message.Message:
    query = dns.message.make_query(wire.absolute(name), kind, use_edns=0, want_dnssec=True)
    query.flags |= dns.flags.AD | flags
    return wire.send(query, *address, deadline.left(wire.QUERY_TIMEOUT))


class Chosen(TypedDict):
    """One resolver to ask."""

    name: str
    """For people."""
    server: str
    """[ADDRESS]:PORT"""
    near: bool
    """Whether it is on this host, so that nobody can set its AD bit on the way (RFC 4035 §4.9.3)."""


@child.runs
def chosen(server: str, seconds: float) -> Chosen:
    """The resolver HOST[:PORT]; empty: the first one in resolv.conf(5). Raises CertctlError."""
    if server:
        name, (address, port) = server, locate(server, seconds)
    else:
        try:
            address, port = str(dns.resolver.Resolver().nameservers[0]), PORT
        except (*wire.FAILURES, IndexError) as error:
            raise CertctlError(f"/etc/resolv.conf names no resolver: {wire.words(error)}") from error
        name = f"{address} of /etc/resolv.conf"
    near = ipaddress.ip_address(address.partition("%")[0]).is_loopback
    return {"name": name, "server": f"[{address}]:{port}", "near": near}


def _stub(servers: Sequence[str], deadline: Deadline, *, validate: bool) -> dns.resolver.Resolver:
    stub = dns.resolver.Resolver(configure=not servers)
    if servers:
        places = [locate(server, deadline.left()) for server in servers]
        stub.nameservers = [dns.nameserver.Do53Nameserver(*place) for place in places]
    if not validate:
        stub.flags = dns.flags.RD | dns.flags.CD
    return stub
