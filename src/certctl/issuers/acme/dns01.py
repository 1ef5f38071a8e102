"""dns-01 (RFC 8555 §8.4): TXT records, put where the CNAMEs lead, seen everywhere before the CA is told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from certctl.dns import resolver, tsig, update
from certctl.dns.authority import View, authorities, views
from certctl.dns.server import place
from certctl.errors import CertctlError, IssuerError
from certctl.issuers import program
from certctl.issuers.acme.proof import Holders, Item, Leftovers, Proof, at_once
from certctl.planning.spec import AcmeOptions
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
