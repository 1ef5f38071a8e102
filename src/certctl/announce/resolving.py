"""What a resolver says, and whether it has validated it: the AD bit (RFC 4035 §3.2.3, RFC 6840 §5.7)."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from certctl.announce.nameservers import Authority
from certctl.announce.primary import Deadline, resolve, words
from certctl.errors import CertctlError

SECURE, INSECURE, BOGUS, UNVALIDATED, FAILED = "secure", "insecure", "bogus", "unvalidated", "failed"


class Answer(NamedTuple):
    """What a resolver says of one name and type."""

    texts: tuple[str, ...]
    """The records' data in lower case; none where there are none."""
    state: str
    """secure: validated; insecure: it validates, but here is nothing signed; bogus: the signatures are wrong;
    unvalidated: it does not validate; failed: it could not say."""
    problem: str | None = None
    """For failed and bogus: what it said."""


class Resolver:
    """One resolver; it remembers whether it has ever validated anything."""

    def __init__(self, server: str, deadline: Deadline) -> None:
        """*server*: HOST[:PORT]; empty: the first one in resolv.conf(5). Raises CertctlError."""
        if server:
            self._address, self._port = resolve(server, "--resolver")
            self.name = server
        else:
            self._address, self._port = _of_system(), 53
            self.name = f"{self._address} of /etc/resolv.conf"
        self._deadline = deadline
        self._validates: bool | None = None

    @property
    def is_near(self) -> bool:
        """Whether it is on this host, so that nobody can set its AD bit on the way (RFC 4035 §4.9.3)."""
        return ipaddress.ip_address(self._address.partition("%")[0]).is_loopback

    @property
    def validates(self) -> bool:
        """Whether it sets the AD bit at all: on what was asked, or else on the root of the DNS."""
        if self._validates is None:
            self._validates = False
            self.ask(".", "SOA")
        return self._validates

    def ask(self, name: str, kind: str) -> Answer:
        """The records of *name* and *kind*. A failure is in the value."""
        try:
            answer = self._answer(name, kind)
        except CertctlError as error:
            return Answer((), FAILED, error.message)
        if answer.rcode() == dns.rcode.SERVFAIL:
            return self._unchecked(name, kind)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return Answer((), FAILED, f"it answers {dns.rcode.to_text(answer.rcode())}")
        texts = _texts(answer, kind)
        if answer.flags & dns.flags.AD:
            self._validates = True
            return Answer(texts, SECURE)
        return Answer(texts, INSECURE if name != "." and self.validates else UNVALIDATED)

    def _unchecked(self, name: str, kind: str) -> Answer:
        """After a SERVFAIL: is there an answer for who does not check signatures?"""
        try:
            answer = self._answer(name, kind, dns.flags.CD)
        except CertctlError as error:
            return Answer((), FAILED, error.message)
        if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return Answer(_texts(answer, kind), BOGUS, "it answers SERVFAIL, unless it is told not to check")
        return Answer((), FAILED, "it answers SERVFAIL")

    def zone_of(self, name: str) -> str:
        """The zone that *name* is in. Raises CertctlError."""
        at = dns.name.from_text(name)
        while at != dns.name.root:
            answer = self._answer(at.to_text(), "SOA")
            for rrset in (*answer.answer, *answer.authority):
                if rrset.rdtype == dns.rdatatype.SOA:
                    return str(rrset.name.to_text(omit_final_dot=True)).lower()
            at = at.parent()
        raise CertctlError(f"the resolver {self.name} does not know the zone of {name}", f"dig SOA {name}")

    def authorities(self, zone: str) -> list[Authority]:
        """Every address of every server in the zone's NS records. Raises CertctlError."""
        servers = sorted(text.rstrip(".") for text in self.ask(zone, "NS").texts)
        found = [Authority(name, address) for name in servers for address in self.addresses(name)]
        if not found:
            told = ", ".join(servers) or "none at all"
            raise CertctlError(
                f"no name server of {zone} has an address: {told}", f"look with: dig NS {zone}"
            )
        return found

    def addresses(self, name: str) -> list[str]:
        """The addresses of *name*, IPv6 and IPv4."""
        return [text for kind in ("AAAA", "A") for text in self.ask(name, kind).texts]

    def _answer(self, name: str, kind: str, flags: int = 0) -> dns.message.Message:
        query = dns.message.make_query(dns.name.from_text(name), kind, use_edns=0, want_dnssec=True)
        query.flags |= dns.flags.AD | flags
        try:
            answer, _ = dns.query.udp_with_fallback(
                query, self._address, timeout=self._deadline.left(), port=self._port
            )
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise CertctlError(f"it did not answer for {name} {kind}: {words(error)}") from error
        return answer


def _of_system() -> str:
    try:
        return str(dns.resolver.Resolver().nameservers[0])
    except (dns.exception.DNSException, OSError, IndexError) as error:
        raise CertctlError(
            f"/etc/resolv.conf names no resolver: {words(error)}", "name one: --resolver HOST[:PORT]"
        ) from error


def _texts(answer: dns.message.Message, kind: str) -> tuple[str, ...]:
    wanted = dns.rdatatype.from_text(kind)
    found: list[Any] = [record for rrset in answer.answer if rrset.rdtype == wanted for record in rrset]
    return tuple(sorted(record.to_text().lower() for record in found))
