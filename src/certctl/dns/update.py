"""The primary server of a zone: what it has, and changing it by DNS update (RFC 2136, RFC 8945)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypedDict

import dns.message
import dns.rcode
import dns.rdatatype
import dns.update

from certctl.dns import wire
from certctl.dns.process import child
from certctl.dns.server import Deadline, locate
from certctl.dns.tsig import Key
from certctl.errors import CertctlError

UPDATE_TIMEOUT = 20.0
MOST_IN_A_MESSAGE = 300
_HINTS = {
    dns.rcode.NOTAUTH: "is it the zone's primary, and does it know the key?",
    dns.rcode.NOTZONE: "set zone to the one that holds the names",
    dns.rcode.SERVFAIL: "look into the server's log: a journal that it may not write is the usual reason",
}


class Answer(TypedDict):
    """The records of one name and type."""

    texts: list[str]
    """See `wire.text`."""
    ttl: int


class Change(TypedDict):
    """What is to be done at one name."""

    name: str
    kind: str
    ttl: int
    add: list[str]
    """In presentation form, as *delete*."""
    delete: list[str]


@child.runs
def ask(
    server: str, questions: Sequence[tuple[str, str]], seconds: float, key: Key | None = None
) -> list[Answer]:
    """What *server* itself says of each name and type. Raises CertctlError."""
    deadline = Deadline(seconds, f"asking {server}")
    address, port = locate(server, deadline.left())
    found: list[Answer] = []
    for name, kind in questions:
        query = wire.question(name, kind, key)
        try:
            answer = wire.send(query, address, port, deadline.left(wire.QUERY_TIMEOUT))
        except wire.UnansweredError as error:
            raise _unanswered(f"{server} did not answer for {name} {kind}", key, error) from error
        if wire.refusal(answer):
            message = f"{server} answers {dns.rcode.to_text(answer.rcode())} for {name} {kind}"
            raise CertctlError(message, _HINTS.get(answer.rcode()))
        wanted = dns.rdatatype.from_text(kind)
        ttls = [rrset.ttl for rrset in answer.answer if rrset.rdtype == wanted]
        found.append({"texts": wire.texts(answer, kind), "ttl": ttls[0] if ttls else 0})
    return found


@child.runs
def update(server: str, zone: str, changes: Sequence[Change], seconds: float, key: Key | None = None) -> None:
    """Make all *changes* in *zone*. Raises CertctlError; then some may have been made."""
    deadline = Deadline(seconds, f"the DNS update of {zone}")
    address, port = locate(server, deadline.left())
    for part in _parts(changes):
        names = part[0]["name"] + (f" and {len(part) - 1} more" if len(part) > 1 else "")
        try:
            # Over TCP: there is no doubt afterwards whether it arrived.
            answer = wire.send(
                _message(zone, part, key), address, port, deadline.left(UPDATE_TIMEOUT), tcp=True
            )
        except wire.UnansweredError as error:
            raise _unanswered(f"{server} did not take the DNS update of {names}", key, error) from error
        if answer.rcode() != dns.rcode.NOERROR:
            who, kind = key["name"] if key else "…", part[0]["kind"]
            grant = f"the zone must grant it, such as: update-policy {{ grant {who} zonesub {kind}; }};"
            raise CertctlError(
                f"{server} refused the DNS update of {names}: {dns.rcode.to_text(answer.rcode())}",
                grant if answer.rcode() == dns.rcode.REFUSED else _HINTS.get(answer.rcode()),
            )


def _message(zone: str, changes: Sequence[Change], key: Key | None) -> dns.message.Message:
    message = dns.update.UpdateMessage(wire.absolute(zone))
    wire.sign(message, key)
    for change in changes:
        name = wire.absolute(change["name"])
        for data in change["delete"]:
            message.delete(name, change["kind"], data)
        for data in change["add"]:
            message.add(name, change["ttl"], change["kind"], data)
    return message


def _parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Messages have at most 64 KiB; what belongs to one name stays together."""
    part: list[Change] = []
    size = 0
    for change in changes:
        part.append(change)
        size += len(change["add"]) + len(change["delete"])
        if size >= MOST_IN_A_MESSAGE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _unanswered(what: str, key: Key | None, error: CertctlError) -> CertctlError:
    signed = f"its key is {key['name']}" if key else "none is set"
    return CertctlError(
        f"{what}: {error.message}", f"check server and tsig_key_file ({signed}), and both hosts' clocks"
    )
