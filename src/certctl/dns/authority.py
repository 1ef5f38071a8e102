"""The authoritative servers of a zone: which they are, and what each of them shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import dns.flags

from certctl.dns import update, wire
from certctl.dns.process import child
from certctl.dns.resolver import lookup
from certctl.dns.server import PORT, Deadline
from certctl.dns.tsig import Key
from certctl.errors import CertctlError
from certctl.system.pool import Pool

MOST_AT_ONCE = 16


@child.runs
def authorities(
    zone: str,
    seconds: float,
    resolvers: Sequence[str] = (),
    *,
    primary: str = "",
    key: Key | None = None,
    validate: bool = True,
) -> list[tuple[str, str]]:
    """Name and address, every one, of every server in the zone's NS records. Raises CertctlError.

    *primary* is asked, with *key*, for what is in the zone itself; *resolvers* for the rest (see `lookup`),
    and for all of it where no primary is known.
    """
    deadline = Deadline(seconds, f"looking for the name servers of {zone}")

    def look(name: str, kind: str) -> list[str]:
        if primary and f".{name}".endswith(f".{zone}"):
            return update.ask(primary, [(name, kind)], deadline.left(), key)[0]["texts"]
        return lookup(name, kind, deadline.left(), resolvers, validate=validate)

    names = sorted(text.rstrip(".").lower() for text in look(zone, "NS"))
    found = [(name, address) for name in names for kind in ("A", "AAAA") for address in look(name, kind)]
    if not found:
        servers = ", ".join(names) or "none at all"
        raise CertctlError(f"no name server of {zone} has an address: {servers}", f"look with: dig NS {zone}")
    return found


class View(TypedDict):
    """What one server shows."""

    answers: list[list[str]]
    """For each question the data of the records, see `wire.text`."""
    trouble: str | None
    """Why it could not be asked, or does not count."""
    unrouted: bool
    """This host has no way to that address at all."""


@child.runs
def views(asked: Sequence[tuple[str, Sequence[tuple[str, str]]]], seconds: float) -> list[View]:
    """*asked*: addresses of servers, and of which names and types each is asked. All of them at once."""
    if not asked:
        return []
    deadline = Deadline(seconds, "asking the name servers")
    with Pool(min(len(asked), MOST_AT_ONCE), thread_name_prefix="certctl-dns") as threads:
        return list(threads.map(lambda one: _view(one[0], one[1], deadline), asked))


def _view(address: str, questions: Sequence[tuple[str, str]], deadline: Deadline) -> View:
    found: View = {"answers": [[] for _ in questions], "trouble": None, "unrouted": False}
    try:
        for at, (name, kind) in enumerate(questions):
            query = wire.question(name, kind)
            answer = wire.send(query, address, PORT, deadline.left(wire.QUERY_TIMEOUT))
            found["answers"][at] = wire.texts(answer, kind)
            if not answer.flags & dns.flags.AA:
                found["trouble"] = "it is not authoritative for the zone"
            found["trouble"] = wire.refusal(answer) or found["trouble"]
    except CertctlError as error:
        found["trouble"] = error.message
        found["unrouted"] = isinstance(error, wire.UnansweredError) and error.unrouted
    return found
