"""dns-01 (RFC 8555 §8.4): TXT records, put where the CNAMEs lead, seen everywhere before the CA is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from certctl.core.spec import AcmeOptions
from certctl.dns import tsig, update
from certctl.errors import IssuerError
from certctl.issuers import program
from certctl.issuers.acme.dnslookup import TTL, Lookup, Record, Table
from certctl.issuers.acme.proof import Holders, Item, Leftovers, Proof
from certctl.system import programs
from certctl.system.deadline import left
from certctl.system.secret import said_by

KIND = "dns-01"
_SAID = 400
"""Characters of what a program wrote that are kept."""
_UPDATE = 20.0
"""Seconds for one DNS update."""


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
        return Rfc2136(table, lookup, ttl)
    if method == "command":
        return Command(table, ttl)
    from certctl.issuers.acme.lexicon import Lexicon

    return Lexicon(method, table, lookup, ttl)


class Command:
    """Runs the user's ``PROGRAM… add|remove NAME VALUE``, with CERTCTL_TTL; exit status 0 is success."""

    def __init__(self, table: Table, ttl: int) -> None:
        self._command = table.texts("command")
        self._ttl = ttl
        self._timeout = table.seconds("timeout", 60.0)
        if not self._command:
            raise table.wrong("command", "the program with its arguments")

    def add(self, record: Record) -> None:
        self._run("add", record)

    def remove(self, record: Record) -> None:
        self._run("remove", record)

    def _run(self, action: str, record: Record) -> None:
        """As the programs of issuers are run: checked, without a shell, in a small environment."""
        path = programs.search_path()
        found = programs.find(self._command[0], path)
        argv = [found, *self._command[1:], action, record.name, record.value]
        environment = {"PATH": path, "LC_ALL": "C.UTF-8", "CERTCTL_TTL": str(self._ttl)}
        ended = program.run(argv, environment, b"", self._timeout)
        if ended.status:
            said = (ended.output + b"\n" + ended.errors).decode("utf-8", "replace").strip()
            words = said_by(argv, said)[-_SAID:] or "it said nothing"
            raise IssuerError(
                f"{found} {action} {record.name} failed with {ended.status}: {words}",
                f"try it by hand: {said_by(argv, ' '.join(argv))}",
            )


class Rfc2136:
    """Changes the zone at its primary, by DNS update (RFC 2136) signed with TSIG (RFC 8945)."""

    def __init__(self, table: Table, lookup: Lookup, ttl: int) -> None:
        self._server = table.server("server")
        self._zone = table.text("zone").rstrip(".")
        self._key_file = table.text("tsig_key_file")
        self._lookup = lookup
        self._ttl = ttl

    def add(self, record: Record) -> None:
        self._update(record, [f'"{record.value}"'], [])

    def remove(self, record: Record) -> None:
        self._update(record, [], [f'"{record.value}"'])

    def _update(self, record: Record, add: list[str], delete: list[str]) -> None:
        key = tsig.read(self._key_file) if self._key_file else None
        zone = self._zone or self._lookup.zone(record.name)
        change = update.Change(name=record.name, kind="TXT", ttl=self._ttl, add=add, delete=delete)
        update.update(self._server, zone, [change], left(_UPDATE), key)
