"""The primary server of a zone: what it has, and changing it by DNS update (RFC 2136) with TSIG."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from certctl.announce import tsig
from certctl.core.spec import AnnouncerSpec
from certctl.errors import CertctlError
from certctl.system import deadline as whole_pass

QUERY_TIMEOUT = 5.0
MOST_IN_A_MESSAGE = 300
PREFIX = "3 1 1 "
_HINTS = {
    dns.rcode.REFUSED: "the zone must grant it: update-policy { grant KEY zonesub TLSA; };",
    dns.rcode.NOTAUTH: "is it the zone's primary, and does it know the key?",
    dns.rcode.NOTZONE: "set zone to the one that holds the names",
    dns.rcode.SERVFAIL: "look into the server's log: a journal that it may not write is the usual reason",
}


class Found(NamedTuple):
    """The TLSA records of one owner name."""

    data: frozenset[str]
    """As text: "3 1 1 …", lower case."""
    ttl: int = 0


class Change(NamedTuple):
    """What is to be done at one owner name."""

    add: Sequence[str]
    delete: Sequence[str]
    ttl: int


class Deadline:
    """The time that all questions of one announcement may take together."""

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._what = what

    def left(self) -> float:
        """Seconds for the next question. Raises CertctlError when none is left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise CertctlError(
                f"{self._what} took longer than {self._seconds:g} s",
                "set a longer timeout, if it is only slow",
            )
        return whole_pass.left(min(left, QUERY_TIMEOUT))


class Primary:
    """Where updates go."""

    def __init__(self, spec: AnnouncerSpec, deadline: Deadline) -> None:
        """Raises CertctlError where the server's address or the key cannot be had."""
        self._server = spec.server
        self._zone = dns.name.from_text(spec.zone)
        self._key = tsig.read(spec.tsig_key_file) if spec.tsig_key_file else None
        self._key_file = spec.tsig_key_file
        self._deadline = deadline
        self._address, self._port = resolve(spec.server, "server of the announcer")

    def tlsa(self, owner: str) -> Found:
        """The TLSA records of *owner* as the primary has them."""
        answer = self.ask(owner, "TLSA")
        for rrset in answer.answer:
            if rrset.rdtype == dns.rdatatype.TLSA:
                return Found(frozenset(record.to_text().lower() for record in rrset), rrset.ttl)
        return Found(frozenset())

    def serial(self) -> int:
        """The serial of the zone. Raises CertctlError where the server does not have the zone."""
        for rrset in self.ask(self._zone.to_text(), "SOA").answer:
            if rrset.rdtype == dns.rdatatype.SOA:
                return int(rrset[0].serial)
        raise CertctlError(
            f"{self._server} has no zone {self._zone.to_text(omit_final_dot=True)}",
            f"look with: dig SOA {self._zone} @{self._address}",
        )

    def ask(self, name: str, kind: str) -> dns.message.Message:
        """The primary's own answer. Raises CertctlError."""
        query = dns.message.make_query(dns.name.from_text(name), kind)
        query.flags &= ~dns.flags.RD
        if self._key is not None:
            query.use_tsig(self._key)
        try:
            answer, _ = dns.query.udp_with_fallback(
                query, self._address, timeout=self._deadline.left(), port=self._port
            )
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise self._unreachable(f"did not answer for {name} {kind}", error) from error
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise CertctlError(
                f"{self._server} answers {dns.rcode.to_text(answer.rcode())} for {name} {kind}",
                _HINTS.get(answer.rcode()),
            )
        return answer

    def update(self, changes: Mapping[str, Change]) -> None:
        """Make all *changes*, by owner name. Raises CertctlError."""
        for part in _parts(changes):
            message = dns.update.UpdateMessage(self._zone)
            if self._key is not None:
                message.use_tsig(self._key)
            for owner, change in part:
                for data in change.delete:
                    message.delete(dns.name.from_text(owner), "TLSA", data)
                for data in change.add:
                    message.add(dns.name.from_text(owner), change.ttl, "TLSA", data)
            self._send(message)

    def _send(self, message: dns.update.UpdateMessage) -> None:
        try:
            # Over TCP: there is no doubt afterwards whether it arrived.
            answer = dns.query.tcp(message, self._address, timeout=self._deadline.left(), port=self._port)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise self._unreachable("did not take the DNS update", error) from error
        if answer.rcode() != dns.rcode.NOERROR:
            raise CertctlError(
                f"{self._server} refused the DNS update: {dns.rcode.to_text(answer.rcode())}",
                _HINTS.get(answer.rcode()),
            )

    def _unreachable(self, what: str, error: Exception) -> CertctlError:
        return CertctlError(
            f"{self._server} {what}: {words(error)}",
            f"check server and tsig_key_file ({self._key_file or 'none is set'}), and both hosts' clocks",
        )


def words(error: Exception) -> str:
    """What went wrong with a question, on one line."""
    return " ".join((str(error) or type(error).__name__).split()).rstrip(".").lower()


def _parts(changes: Mapping[str, Change]) -> Iterator[list[tuple[str, Change]]]:
    """Messages have at most 64 KiB; what belongs to one name stays together."""
    part: list[tuple[str, Change]] = []
    size = 0
    for owner, change in changes.items():
        part.append((owner, change))
        size += len(change.add) + len(change.delete)
        if size >= MOST_IN_A_MESSAGE:
            yield part
            part, size = [], 0
    if part:
        yield part


def resolve(server: str, where: str) -> tuple[str, int]:
    """Address and port (53) of HOST[:PORT]; *where* it was written. Raises CertctlError."""
    host, port = server, 53
    if server.startswith("[") or server.count(":") == 1:
        name, _, digits = server.rpartition(":")
        host, port = (name.strip("[]"), int(digits)) if digits.isdigit() else (server.strip("[]"), 53)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CertctlError(f"{host} has no address: {why}", f"check {where}") from error
    return str(found[0][4][0]), port
