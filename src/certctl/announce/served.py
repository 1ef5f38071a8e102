"""Before a record goes: is its key really served nowhere any more? (RFC 7671 §8.1: not before it is gone.)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from certctl.announce.nameservers import PREFIX, Primary
from certctl.announce.tools import Tools
from certctl.errors import CertctlError
from certctl.system.pool import Pool

MOST_AT_ONCE = 16
Lines = Mapping[str, Sequence[str]]
"""By certificate: "OWNER TTL 3 1 1 DATA"."""


class Kept(NamedTuple):
    """Lines that may not go yet, by certificate, and why."""

    lines: Lines
    problem: CertctlError | None


class _Place(NamedTuple):
    """Where a key would be served."""

    owner: str
    host: str
    address: str
    port: int


def still_served(primary: Primary, tools: Tools, told: Lines, want: Lines) -> Kept:
    """Of *told*, what is not wanted any more, and served all the same at an address of its host.

    Where nothing else is wanted for a host, all may go: who finds no record does not
    look for a key. Where nobody answers, nothing is served. Raises CertctlError.
    """
    over = list(_over(told, want))
    places = [
        _Place(owner, host, address, port)
        for owner in dict.fromkeys(owner for _, owner, _, _ in over)
        for host, port in [_host(owner)]
        for address in primary.addresses(host)
    ]
    if not places:
        return Kept({}, None)
    with Pool(min(len(places), MOST_AT_ONCE), thread_name_prefix="certctl-served") as threads:
        shown = list(threads.map(lambda at: tools.served(at.host, at.address, at.port), places))
    kept: dict[str, list[str]] = {}
    reasons: dict[str, None] = {}
    for name, owner, pin, line in over:
        for place, pins in zip(places, shown, strict=True):
            if place.owner == owner and pin in pins:
                kept.setdefault(name, []).append(line)
                reasons[f"{place.host} ({place.address}) port {place.port}"] = None
                break
    if not kept:
        return Kept({}, None)
    return Kept(
        kept,
        CertctlError(
            f"the previous key is still served by {', '.join(reasons)}, so its record has to stay",
            f"reload the server there; see: certctl probe --dane {next(iter(kept))}",
        ),
    )


def _over(told: Lines, want: Lines) -> Iterator[tuple[str, str, str, str]]:
    """Certificate, owner, pin and line of each record that is to go while others of its owner stay."""
    desired = {tuple(line.split(" ", 2)[::2]) for lines in want.values() for line in lines}
    owners = {owner for owner, _ in desired}
    for name, lines in told.items():
        for line in lines if name in want else ():
            owner, _, data = line.split(" ", 2)
            if owner in owners and (owner, data) not in desired and data.startswith(PREFIX):
                yield name, owner, data.removeprefix(PREFIX), line


def _host(owner: str) -> tuple[str, int]:
    """Host and port of "_25._tcp.mx.example.org"."""
    port, _, host = owner.split(".", 2)
    return host, int(port.removeprefix("_"))
