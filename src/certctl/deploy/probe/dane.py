"""What is served against what the DNS says of it: pure, in words for people (RFC 7671 §8, RFC 7672)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from certctl.deploy.probe.tlsa import Record, matches, parse
from certctl.deploy.probe.values import ERROR, INFO, WARNING, Difference, Served


class Teller(NamedTuple):
    """One authoritative server, and the TLSA records that it shows for one name and port."""

    server: str
    """Name and address."""
    serial: int | None
    records: tuple[Record, ...]
    trouble: str | None = None
    """Why it could not be asked."""

    def __str__(self) -> str:
        return self.server if self.serial is None else f"{self.server}, serial {self.serial}"


class Agreement(NamedTuple):
    """Whether what one address serves is what one server says."""

    address: str
    algorithm: str
    key_sha256: str
    teller: Teller
    agrees: bool
    connections: int
    of: int
    """How many of the connections to this address served this key."""


class Validation(NamedTuple):
    """What a resolver made of the signatures."""

    resolver: str
    state: str
    """secure | insecure | bogus | unvalidated | failed"""
    problem: str | None = None
    near: bool = True
    """Whether the resolver is on this host."""
    records: tuple[Record, ...] = ()


class Known(NamedTuple):
    """What one of this host's keys is."""

    slot: str
    generation: int

    def __str__(self) -> str:
        return f"the {self.slot} key, generation {self.generation}"


class Case(NamedTuple):
    """Everything that was seen of one name and port."""

    owner: str
    """_25._tcp.mx.example.org"""
    url: str
    looks: Sequence[Served]
    tellers: Sequence[Teller]
    validation: Validation | None
    """None: there is no resolver that could be asked."""
    known: Mapping[str, Known] = {}
    """What keys are, by their SHA-256."""
    wanted: Sequence[str] = ()
    """SHA-256 of the keys that are to be told of."""
    trouble: str | None = None
    """Why the servers of the zone could not be found."""


def teller(server: str, serial: int | None, texts: Sequence[str], trouble: str | None) -> Teller:
    """One server, given its records as text."""
    return Teller(server, serial, tuple(sorted(parse(text) for text in texts)), trouble)


def agreements(case: Case) -> list[Agreement]:
    """Each key at each address, beside each server that was asked."""
    seen: dict[tuple[str, str, str], list[Served]] = {}
    of: dict[str, int] = {}
    for look in case.looks:
        if look.chain:
            leaf = look.chain[0]
            seen.setdefault((look.address, leaf.algorithm, leaf.key_sha256), []).append(look)
            of[look.address] = of.get(look.address, 0) + 1
    return [
        Agreement(*key, teller, _agrees(teller, looks), len(looks), of[key[0]])
        for key, looks in seen.items()
        for teller in case.tellers
        if teller.trouble is None
    ]


def _agrees(teller: Teller, looks: Sequence[Served]) -> bool:
    return all(any(matches(record, look.chain) for record in teller.records) for look in looks)


def compare_dane(case: Case) -> list[Difference]:
    """Every way in which what is served, what each server says and what should be said differ.

    No difference of severity error means: whoever asks whichever server gets a
    record that matches what is served at every address, and can validate it as
    far as this host can tell.
    """
    return [*_unanswered(case), *_missing(case), *_mismatches(case), *_lagging(case), *_validation(case)]


def _difference(
    case: Case, severity: str, kind: str, address: str, message: str, fix: str = "", of: int = 1
) -> Difference:
    return Difference(severity, kind, case.url, address, "", message, fix, of, of)


def _unanswered(case: Case) -> Iterator[Difference]:
    if case.trouble is not None:
        message = f"the servers that tell {case.owner} cannot be found: {case.trouble}"
        yield _difference(case, ERROR, "zone-unknown", "", message)
    for one in case.tellers:
        if one.trouble is not None:
            message = f"{one.server} cannot be asked for {case.owner}: {one.trouble}"
            yield _difference(case, ERROR, "tlsa-unanswered", one.server, message)


def _missing(case: Case) -> Iterator[Difference]:
    told = [one for one in case.tellers if one.trouble is None]
    silent = [one for one in told if not one.records]
    if told and len(silent) == len(told):
        message = f"no server of the zone shows a TLSA record for {case.owner}: senders do not use DANE here"
        fix = 'announce it: [announce.NAME] with type = "dns"; or paste: certctl fingerprints --format tlsa'
        yield _difference(case, ERROR, "tlsa-none", "", message, fix)
        return
    for one in silent:
        message = f"{one} shows no TLSA record for {case.owner}, others do"
        yield _difference(case, ERROR, "tlsa-missing", one.server, message, "let it follow the primary")
    if told and not any(record.usable for one in told for record in one.records):
        message = f"no TLSA record for {case.owner} is of a kind that mail takes notice of (usage 2 or 3)"
        yield _difference(case, ERROR, "tlsa-unusable", "", message, "3 1 1 is the right one (RFC 7672)")


def _mismatches(case: Case) -> Iterator[Difference]:
    for one in agreements(case):
        if one.agrees or not one.teller.records:
            continue
        what = case.known.get(one.key_sha256)
        name = f"{what} ({one.algorithm}, {one.key_sha256})" if what else f"{one.algorithm} {one.key_sha256}"
        share = "" if one.connections == one.of else f", on {one.connections} of {one.of} connections"
        message = (
            f"what is served{share} is {name}, and no record of {one.teller} matches it: "
            "whoever asks that server defers mail"
        )
        fix = (
            "reload the server, if it should serve another key: certctl probe"
            if what is None or what.slot == "previous"
            else "see what the announcement waits for: certctl announce --show"
        )
        yield _difference(case, ERROR, "tlsa-mismatch", one.address, message, fix, one.connections)


def _lagging(case: Case) -> Iterator[Difference]:
    """Servers that do not show what they should, or not what the one with the latest serial shows."""
    told = [one for one in case.tellers if one.trouble is None and one.records]
    if not told:
        return
    best = max(told, key=lambda one: -1 if one.serial is None else one.serial)
    for one in told:
        here = {record.data for record in one.records if (record.usage, record.selector) == (3, 1)}
        for pin in case.wanted:
            if pin.replace(":", "").lower() not in here:
                what = case.known.get(pin, pin)
                message = f"{one} does not show {what} ({pin})"
                yield _difference(
                    case,
                    WARNING,
                    "tlsa-not-told",
                    one.server,
                    message,
                    "it is not promoted before all do: certctl announce --show",
                )
        if one.records != best.records:
            message = f"{one} does not show the same as {best}{_how(one, best)}"
            yield _difference(case, WARNING, "tlsa-differ", one.server, message, "let it follow the primary")
    yield from _strange(case, best)


def _how(one: Teller, best: Teller) -> str:
    lacks = [str(record) for record in best.records if record not in one.records]
    more = [str(record) for record in one.records if record not in best.records]
    words = [(", it lacks ", lacks), (", it still has ", more)]
    return "".join(f"{word}{'; '.join(found)}" for word, found in words if found)


def _strange(case: Case, best: Teller) -> Iterator[Difference]:
    """Records that nothing stands for, where it is known what should be there."""
    pins = {pin.replace(":", "").lower() for pin in case.known}
    for record in best.records if case.known else ():
        served = any(matches(record, look.chain) for look in case.looks)
        if record.data not in pins and not served:
            message = f"{best.server} shows a record that is of no key known here: {record}"
            yield _difference(case, INFO, "tlsa-strange", best.server, message)


def _validation(case: Case) -> Iterator[Difference]:
    found = case.validation
    if found is None or found.state == "unvalidated":
        who = f": {found.resolver} sets no AD bit" if found else ""
        message = f"not validated: no validating resolver{who}"
        yield _difference(case, INFO, "not-validated", "", message, "run unbound here, or: --resolver HOST")
    elif found.state == "insecure":
        message = (
            f"{case.owner} is not signed, says {found.resolver}: senders take no notice of its TLSA records"
        )
        yield _difference(
            case, ERROR, "insecure", "", message, "sign the zone, and have its DS put into the parent zone"
        )
    elif found.state in ("bogus", "failed"):
        what = "finds wrong signatures for" if found.state == "bogus" else "has no answer for"
        message = f"the resolver {found.resolver} {what} {case.owner}: {found.problem}: senders defer mail"
        yield _difference(case, ERROR, found.state, "", message, f"look with: delv TLSA {case.owner}")
    elif not found.near:
        message = f"validated by {found.resolver}, which is not on this host: on the way anybody can say so"
        yield _difference(case, INFO, "far-resolver", "", message)
    if found is not None and found.state == "secure":
        yield from _cached(case, found)


def _cached(case: Case, found: Validation) -> Iterator[Difference]:
    """What a cache still has may be older than what the servers say."""
    if not found.records and any(one.records for one in case.tellers):
        message = f"the resolver {found.resolver} still has it in its cache that {case.owner} has no record"
        yield _difference(case, WARNING, "tlsa-cached", "", message)
    stale = [
        look
        for look in case.looks
        if look.chain and found.records and not any(matches(record, look.chain) for record in found.records)
    ]
    if stale:
        address = stale[0].address
        message = f"the resolver {found.resolver} has records (perhaps old ones) that match nothing served"
        yield _difference(case, ERROR, "tlsa-cached", address, message, "", len(stale))
