"""The servers of a zone with TLSA records: the primary, and all authoritative ones, each asked directly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from certctl.dns import authority, tsig, update
from certctl.dns.server import Deadline
from certctl.dns.update import Answer, Change
from certctl.errors import CertctlError
from certctl.planning.spec import AnnouncerSpec

PREFIX = "3 1 1 "


class Found(NamedTuple):
    """The TLSA records of one owner name."""

    data: frozenset[str]
    """As text: "3 1 1 …", lower case."""
    ttl: int = 0


class Primary:
    """Where updates go, as an announcer knows it. All that it does raises CertctlError."""

    def __init__(self, spec: AnnouncerSpec, deadline: Deadline) -> None:
        self._server = spec.server
        self._zone = spec.zone
        self._key = tsig.read(spec.tsig_key_file) if spec.tsig_key_file else None
        self._deadline = deadline

    def tlsa(self, owners: Iterable[str]) -> dict[str, Found]:
        """The TLSA records of each of *owners*."""
        names = list(owners)
        answers = self._ask([(name, "TLSA") for name in names])
        found = [Found(frozenset(answer["texts"]), answer["ttl"]) for answer in answers]
        return dict(zip(names, found, strict=True))

    def serial(self) -> int:
        """The serial of the zone. Raises CertctlError where the server does not have the zone."""
        for text in self._ask([(self._zone, "SOA")])[0]["texts"]:
            return _serial(text)
        raise CertctlError(
            f"{self._server} has no zone {self._zone}", f"look with: dig SOA {self._zone} @{self._server}"
        )

    def addresses(self, name: str) -> list[str]:
        """The addresses of a host whose name is in the zone itself."""
        return [at for answer in self._ask([(name, "A"), (name, "AAAA")]) for at in answer["texts"]]

    def authorities(self) -> list[tuple[str, str]]:
        """Name and address, every one, of every server in the zone's own NS records."""
        left = self._deadline.left()
        return authority.authorities(self._zone, left, primary=self._server, key=self._key)

    def update(self, changes: Sequence[Change]) -> None:
        """Make all *changes*."""
        update.update(self._server, self._zone, changes, self._deadline.left(), self._key)

    def _ask(self, questions: Sequence[tuple[str, str]]) -> list[Answer]:
        return update.ask(self._server, questions, self._deadline.left(), self._key)


class View(NamedTuple):
    """What one address of one authoritative server shows."""

    name: str
    address: str
    serial: int | None
    records: Mapping[str, frozenset[str]]
    """By owner name."""
    trouble: str | None = None
    """Why it could not be asked."""

    @property
    def server(self) -> str:
        return f"{self.name} ({self.address})"


def views(
    servers: Sequence[tuple[str, str]], zone: str, owners: Sequence[str], seconds: float
) -> Iterator[View]:
    """Ask all of *servers* (name and address) at once.

    Addresses of a family that this host lacks are left out, where it reaches the same server by another.
    """
    questions = [(zone, "SOA"), *((owner, "TLSA") for owner in owners)]
    found = authority.views([(address, questions) for _, address in servers], seconds)
    pairs = list(zip(servers, found, strict=True))
    reached = {name for (name, _), view in pairs if not view["unrouted"]}
    for (name, address), view in pairs:
        if view["trouble"]:
            if not view["unrouted"] or name not in reached:
                yield View(name, address, None, {}, view["trouble"])
            continue
        soa, *tlsa = map(frozenset, view["answers"])
        yield View(name, address, max(map(_serial, soa), default=None), dict(zip(owners, tlsa, strict=True)))


def _serial(soa: str) -> int:
    return int(soa.split()[2])
