"""What the tables of the planner's rules are made of: the certificate mx1, its generations, a world of it.

Moments are told in days from NOW. A table that looks at a boundary moves *now*, not the facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from certctl.planning import rules
from certctl.planning.clock import ClockSeen
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, World
from certctl.planning.plan import walk
from certctl.planning.spec import DAY as DAY_SECONDS
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, IssuerSpec, Spec
from certctl.planning.state import Advice, CertificateRecord, CertificateState, Failure, Generation, KeyRecord
from certctl.planning.steps import Step

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MS = timedelta(milliseconds=1)

CERT = CertificateSpec(
    "mx1", ("mx1.example",), issuers=("ca",), rotate_every=100 * DAY_SECONDS, hold_down=7 * DAY_SECONDS
)
PINNED = CERT._replace(pin="certificate")
"""The same, for peers that pin its certificates."""
DOUBT = "the clock went from A to B"
ISSUERS = {name: IssuerSpec(name, "command") for name in ("ca", "other")}
ISSUERS["self-signed"] = IssuerSpec("self-signed", "self-signed")


def spec(cert: CertificateSpec = CERT, *announcers: AnnouncerSpec, **more: Any) -> Spec:
    return Spec(
        "/certctl.toml",
        issuers=ISSUERS,
        certificates={cert.name: cert},
        announcers={one.name: one for one in announcers},
        **more,
    )


SPEC = spec()


def record(start: float, end: float, name: str = "") -> CertificateRecord:
    """A certificate by its lifetime."""
    return CertificateRecord(name, "", "", "", NOW + start * DAY, NOW + end * DAY)


def generation(
    number: int,
    made: float = -30,
    start: float | None = -30,
    end: float = 60,
    *,
    issued: float | None = None,
    algorithms: tuple[str, ...] = ("ecdsa-p256",),
    **more: Any,
) -> Generation:
    """A generation by its making, and the lifetime of its certificates; *start* None: it has none yet.

    They were issued at their start, or at *issued*.
    """
    certificate = None
    if start is not None:
        certificate = record(start, end, f"cert {number}")
        at = start if issued is None else issued
        named = {"issuance": 1, "issued_by": "ca", "names": CERT.names, "issued_at": NOW + at * DAY}
        more = {**named, **more}
    keys = tuple(
        KeyRecord(algorithm, f"key {number} {algorithm}", "", "", certificate) for algorithm in algorithms
    )
    return Generation(number, NOW + made * DAY, keys, **more)


def served(number: int = 1, since: float = -30, **more: Any) -> Generation:
    """A generation that was promoted *since* then."""
    moment = NOW + since * DAY
    return generation(number, **{"promoted_at": moment, "rotates_from": moment, **more})


def state(
    current: Generation | None = None,
    following: Generation | None = None,
    previous: Generation | None = None,
    **more: Any,
) -> CertificateState:
    return CertificateState("mx1", current, following, previous, **{"last_number": 2, **more})


def advice(renew: datetime, url: str | None = None) -> Advice:
    """The CA's word for a renewal at *renew*, asked for again a day from now."""
    return Advice(renew, renew - HOUR, renew + HOUR, NOW + DAY, url)


def failure(kind: str = "issue", at: datetime = NOW, retry: datetime | None = None, **more: Any) -> Failure:
    return Failure(kind, "mx1", "no answer", None, at, 1, retry, **more)


def case(
    before: CertificateState,
    doubt: str | None = None,
    cert: CertificateSpec = CERT,
    now: datetime = NOW,
    **seen: Any,
) -> rules.Case:
    return rules.case_of(spec(cert), cert, CertificateSeen(before, **seen), now, doubt)


def world(
    before: CertificateState,
    doubt: str | None = None,
    *,
    announcers: Mapping[str, AnnouncerSeen] = {},
    until: datetime | None = None,
    **seen: Any,
) -> World:
    return World(
        {"mx1": CertificateSeen(before, **seen)},
        {},
        {},
        dict(announcers),
        {},
        {},
        ClockSeen(doubt, until=until),
    )


def told(steps: Iterable[Step]) -> list[tuple[str, str | None, str]]:
    """What a table compares of steps: what is done, with which slot, file or generation, and why."""
    return [(step.kind, step.slot or step.part, step.reason) for step in steps]


def walked(
    asked: Spec, host: World, do: Callable[[Step], None], **more: Any
) -> tuple[list[Step], list[Step]]:
    """The steps that were done, and those that had no effect, where *do* is all that happens."""
    done: list[Step] = []
    failed: list[Step] = []
    avoid: set[object] = set()

    def apply(batch: Sequence[Step]) -> None:
        for step in batch:
            done.append(step)
            do(step)

    def without_effect(step: Step) -> None:
        failed.append(step)
        avoid.add(step.key)

    walk(asked, host, lambda: NOW, apply, avoid, without_effect, **more)
    return done, failed


def each(rows: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Run a test with every *row* of a table, named by its words."""
    return pytest.mark.parametrize("row", list(rows.values()), ids=list(rows))
