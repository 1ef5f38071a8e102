"""probe --dane: what is served at every address of a name, beside what every server of its zone says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from certctl.app import wiring
from certctl.app.danetargets import Target, targets
from certctl.errors import CertctlError, UsageError
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import SLOTS, CertificateState

if TYPE_CHECKING:
    from certctl.deploy.probe import Difference, Served
    from certctl.deploy.probe.dane import Agreement, Case, Known, Teller, Validation
    from certctl.dns.resolver import Chosen

SECONDS = 60.0
"""For all questions to the DNS of one kind."""


class Checked(NamedTuple):
    """What came of one name and port."""

    target: Target
    zone: str
    case: Case
    agreements: Sequence[Agreement]
    differences: Sequence[Difference]


def check(spec: Spec | None, name: str | None, urls: Sequence[str], resolver: str = "") -> list[Checked]:
    """Compare *urls*, or all that certificates announce in the DNS. Raises UsageError."""
    found = list(targets(spec, name, urls))
    if not found:
        raise UsageError(
            "there is nothing to check: no certificate has names that are announced in the DNS",
            "certctl probe --dane smtp://mx.example.org:25",
        )
    asks = _resolver(resolver)
    return [_check(spec, target, asks) for target in found]


def _resolver(server: str) -> Chosen | None:
    """The resolver that was named; else the system's, None where it has none."""
    from certctl.dns.resolver import chosen

    try:
        return chosen(server, SECONDS)
    except CertctlError:
        # That there is none is told with each answer that nobody validated.
        if server:
            raise
        return None


def _check(spec: Spec | None, target: Target, asks: Chosen | None) -> Checked:
    from certctl.deploy.probe.dane import Case, agreements, compare_dane

    zone, tellers, trouble = _tellers(target, asks)
    state = _state(spec, target.certificate)
    looks = _looks(spec, target, state, asks)
    case = Case(
        target.owner,
        target.url,
        looks,
        tellers,
        _validation(target, asks),
        _known(state),
        _wanted(state) if target.told else (),
        trouble,
    )
    return Checked(target, zone, case, agreements(case), [*_unserved(looks), *compare_dane(case)])


def _unserved(looks: Sequence[Served]) -> list[Difference]:
    """Connections that saw nothing; names and dates in certificates do not count here (RFC 7672 §3.1.1)."""
    from certctl.deploy.probe import Expected, compare

    failures = {(one.address, one.offered) for one in looks if one.failure is not None}
    kinds = {one.failure.kind for one in looks if one.failure is not None} | {"no-algorithm"}
    found = compare(looks, Expected(), wiring.clock()) if failures else []
    return [one for one in found if (one.address, one.offered) in failures and one.kind in kinds]


def _tellers(target: Target, asks: Chosen | None) -> tuple[str, list[Teller], str | None]:
    """The zone, what each of its servers shows, and why they could not be found, if so.

    Where an announcer knows the primary, that says who the others are.
    """
    from certctl.announce.nameservers import Primary, views
    from certctl.deploy.probe.dane import teller
    from certctl.dns.authority import authorities
    from certctl.dns.resolver import zone_of
    from certctl.dns.server import Deadline

    deadline = Deadline(SECONDS, f"asking the servers of {target.name}")
    zone = ""
    try:
        if target.via is not None:
            zone = target.via.zone
            servers = Primary(target.via, deadline).authorities()
        elif asks is not None:
            at = [asks["server"]]
            zone = zone_of(target.name, deadline.left(), at, validate=False)
            servers = authorities(zone, deadline.left(), at, validate=False)
        else:
            return zone, [], "there is no resolver in /etc/resolv.conf that could tell them: --resolver HOST"
        found = list(views(servers, zone, [target.owner], deadline.left()))
    except CertctlError as error:
        return zone, [], error.message
    return (
        zone,
        [
            teller(view.server, view.serial, tuple(view.records.get(target.owner, ())), view.trouble)
            for view in found
        ],
        None,
    )


def _state(spec: Spec | None, cert: CertificateSpec | None) -> CertificateState | None:
    if spec is None or cert is None:
        return None
    return wiring.adapters(spec).store.observe_certificate(cert, wiring.clock()).state


def _addresses(name: str, asks: Chosen) -> list[str]:
    """All that the resolver tells; none: the probe looks the name up itself, and says what fails."""
    from certctl.dns.resolver import addresses

    try:
        return addresses(name, SECONDS, [asks["server"]], validate=False)
    except CertctlError:
        return []


def _looks(
    spec: Spec | None, target: Target, state: CertificateState | None, asks: Chosen | None
) -> list[Served]:
    """What every address of the name serves, in each family of keys that it should have."""
    from certctl.app.proving import expectation
    from certctl.deploy.probe import Expected, probe

    cert, want = target.certificate, Expected(names=(target.name,))
    if spec is not None and cert is not None and state is not None and state.current is not None:
        want = expectation(wiring.adapters(spec).store, cert, state)
    addresses = [target.at] if target.at else _addresses(target.name, asks) if asks else []
    if not addresses:
        return probe(target.url, want)
    scheme = target.url.partition("://")[0]
    found: list[Served] = []
    for address in addresses:
        host = f"[{address}]" if ":" in address else address
        served = probe(f"{scheme}://{host}:{target.port}?sni={target.name}", want)
        found += [one._replace(url=target.url) for one in served]
    return found


def _known(state: CertificateState | None) -> dict[str, Known]:
    from certctl.deploy.probe.dane import Known

    known: dict[str, Known] = {}
    for slot in SLOTS:
        generation = state.slot(slot) if state else None
        if generation is not None:
            known.update((key.sha256, Known(slot, generation.number)) for key in generation.keys)
    return known


def _wanted(state: CertificateState | None) -> tuple[str, ...]:
    """The keys that servers have to show: those that are served, and those that will be."""
    slots = (state.current, state.next) if state else ()
    return tuple(key.sha256 for generation in slots if generation for key in generation.keys)


def _validation(target: Target, asks: Chosen | None) -> Validation | None:
    from certctl.deploy.probe.dane import Validation
    from certctl.deploy.probe.tlsa import parse
    from certctl.dns.resolver import validated

    if asks is None:
        return None
    found = validated(target.owner, "TLSA", asks["server"], SECONDS)
    records = tuple(parse(text) for text in found["texts"])
    return Validation(asks["name"], found["state"], found["problem"], asks["near"], records)


def failed(found: Sequence[Checked]) -> bool:
    """Whether anything is wrong that a sender would notice."""
    return any(one.severity == "error" for item in found for one in item.differences)
