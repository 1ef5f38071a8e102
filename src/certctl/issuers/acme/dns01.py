"""dns-01 (RFC 8555 §8.4): TXT records, put where the CNAMEs lead, seen everywhere before the CA is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from certctl.errors import IssuerError
from certctl.issuers.acme.dnslookup import Lookup, Record
from certctl.issuers.acme.dnsoptions import TTL, Table
from certctl.issuers.acme.leftovers import Item, Leftovers
from certctl.issuers.acme.proof import Proof
from certctl.issuers.acme.shared import Holders
from certctl.planning.spec import AcmeOptions

KIND = "dns-01"


class Writer(Protocol):
    """Changes a zone. Both are idempotent; both raise `CertctlError`."""

    def add(self, record: Record) -> None: ...

    def remove(self, record: Record) -> None: ...


class Dns01:
    """Puts up TXT records and takes them away again."""

    def __init__(self, issuer: str, options: AcmeOptions, leftovers: Leftovers) -> None:
        """*issuer*: its name, for messages."""
        if not options.dns:
            raise IssuerError(
                f"issuer {issuer}: challenge dns-01 needs dns",
                'set dns = "rfc2136", "command" or a provider of dns-lexicon',
                transient=False,
            )
        table = Table(f"[issuer.{issuer}.{options.dns}]", options.dns_options)
        self._lookup = Lookup(table)
        self._writer = _writer(options.dns, table, self._lookup)
        self._leftovers = leftovers
        self._holders = Holders()

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[None]:
        records = [Record(self._lookup.challenge_name(proof.name), proof.txt) for proof in proofs]
        note = self._leftovers.note(KIND, records)
        for record in records:
            self._holders.hold(" ".join(record))
        try:
            for record in records:
                self._writer.add(record)
            self._lookup.wait_until_visible(records)
            yield
        finally:
            self._leftovers.clear(note, records, self._release)

    def remove(self, item: Item) -> None:
        """Take away one record."""
        self._writer.remove(Record(*item))

    def _release(self, item: Item) -> None:
        if self._holders.release(" ".join(item)):
            self.remove(item)


def _writer(method: str, table: Table, lookup: Lookup) -> Writer:
    ttl = int(table.seconds("ttl", TTL))
    if method == "rfc2136":
        from certctl.issuers.acme.rfc2136 import Rfc2136

        return Rfc2136(table, lookup, ttl)
    if method == "command":
        from certctl.issuers.acme.dnscommand import Command

        return Command(table, ttl)
    from certctl.issuers.acme.lexicon import Lexicon

    return Lexicon(method, table, lookup, ttl)
