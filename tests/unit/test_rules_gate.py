"""The gate before promotion: since when a pin could be known, until when it is held, and what is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from certctl.planning.gate import Gate, announced_at, gate, hold_until, keeps_previous, kept_until
from certctl.planning.spec import HOUR as HOUR_SECONDS
from certctl.planning.spec import CertificateSpec
from certctl.planning.state import CertificateState, Generation, Observation
from tests.unit.planning_cases import CERT, DAY, HOUR, MS, NOW, PINNED, each, generation, served, state

TOLD = CERT._replace(announce=("feed", "dns"))
ACKED = CERT._replace(require_ack=("bob", "eve"))
FEED, DNS = Observation(NOW - 9 * DAY), Observation(NOW - 8 * DAY)
BOTH = generation(2, seen={"feed": FEED, "dns": DNS})


def cached(hours: float) -> Generation:
    """Seen in the DNS now, where caches hold what was there before for *hours*."""
    return generation(2, seen={"feed": FEED, "dns": Observation(NOW, hours * HOUR_SECONDS)})


MOMENTS: dict[str, tuple[CertificateSpec, Generation | None, datetime | None, datetime | None]] = {
    "there is no key": (CERT, None, None, None),
    "told by hand, from its making": (CERT, generation(2, made=-3), NOW - 3 * DAY, NOW + 4 * DAY),
    "a certificate told by hand, from its issuance": (
        PINNED,
        generation(2, made=-3, start=-2),
        NOW - 2 * DAY,
        NOW + 5 * DAY,
    ),
    "a certificate that is not issued": (PINNED, generation(2, start=None), None, None),
    "seen through one of two": (TOLD, generation(2, seen={"feed": FEED}), None, None),
    "seen through both, from the later": (TOLD, BOTH, NOW - 8 * DAY, NOW - DAY),
    "caches hold less than the hold-down": (TOLD, cached(24), NOW, NOW + 7 * DAY),
    "caches hold more than the hold-down": (TOLD, cached(200), NOW, NOW + 200 * HOUR),
}


@each(MOMENTS)
def test_moments(
    row: tuple[CertificateSpec, Generation | None, datetime | None, datetime | None],
) -> None:
    """A pin is known when all who show it have shown it, and held for the hold-down or the caches' time."""
    cert, following, start, until = row
    assert (announced_at(cert, following), hold_until(cert, following)) == (start, until)


HELD = NOW + 4 * DAY
AT = "2026-11-21 12:00 UTC"
FRESH = generation(2, made=-3, start=-3)
GATE: dict[str, tuple[CertificateSpec, Generation, datetime, dict[str, str], Gate]] = {
    "a millisecond before the hold-down is over": (
        CERT,
        FRESH,
        HELD - MS,
        {},
        Gate(False, HELD, f"the next key was announced {AT}, hold-down 7d"),
    ),
    "the moment it is over": (CERT, FRESH, HELD, {}, Gate(True, None, f"announced since {AT}")),
    "a certificate, a millisecond before": (
        PINNED,
        FRESH,
        HELD - MS,
        {},
        Gate(False, HELD, f"the next certificate was announced {AT}, hold-down 7d"),
    ),
    "a certificate that is not issued": (
        PINNED,
        generation(2, start=None),
        NOW,
        {},
        Gate(False, None, "the next certificate is not made yet"),
    ),
    "one that is not issued, nor seen": (
        PINNED._replace(announce=("feed",)),
        generation(2, start=None),
        NOW,
        {},
        Gate(False, None, "the next certificate has not been seen through feed yet"),
    ),
    "seen through none": (
        TOLD,
        generation(2),
        NOW,
        {},
        Gate(False, None, "the next key has not been seen through feed, dns yet"),
    ),
    "seen through one, and why not through the other": (
        TOLD,
        generation(2, seen={"feed": FEED}),
        NOW,
        {"dns": "ns2 lags", "feed": "no matter"},
        Gate(False, None, "the next key has not been seen through dns yet: ns2 lags"),
    ),
    "seen through none, and why": (
        TOLD,
        generation(2),
        NOW,
        {"dns": "ns2 lags", "feed": "no file"},
        Gate(False, None, "the next key has not been seen through feed, dns yet: no file; ns2 lags"),
    ),
    "what caches hold is the hold-down that is told": (
        TOLD,
        cached(200),
        NOW + 200 * HOUR - MS,
        {},
        Gate(False, NOW + 200 * HOUR, "the next key was announced 2026-11-24 12:00 UTC, hold-down 8d 8h"),
    ),
    "two peers have not acknowledged": (
        ACKED,
        FRESH,
        HELD,
        {},
        Gate(False, None, "waits for the acknowledgement of bob, eve (certctl ack mx1 PEER)"),
    ),
    "one has": (
        ACKED,
        FRESH._replace(acks={"bob": NOW}),
        HELD,
        {},
        Gate(False, None, "waits for the acknowledgement of eve (certctl ack mx1 PEER)"),
    ),
    "both have, within the hold-down": (
        ACKED,
        FRESH._replace(acks={"bob": NOW, "eve": NOW}),
        HELD - MS,
        {},
        Gate(False, HELD, f"the next key was announced {AT}, hold-down 7d"),
    ),
    "both have, after it": (
        ACKED,
        FRESH._replace(acks={"bob": NOW, "eve": NOW}),
        HELD,
        {},
        Gate(True, None, f"announced since {AT}"),
    ),
}


@each(GATE)
def test_gate(row: tuple[CertificateSpec, Generation, datetime, dict[str, str], Gate]) -> None:
    """Until when next is held is a moment, or an act that the reason names; then it is open."""
    cert, following, now, unseen, expected = row
    assert gate(cert, following, now, unseen) == expected


WEEK = NOW + 7 * DAY
FORCED_NOW = served(2, since=0, made=-1)
KEPT: dict[str, tuple[CertificateSpec, CertificateState, datetime, datetime | None]] = {
    "a millisecond before it is a week": (CERT, state(FORCED_NOW, None, served(1)), WEEK - MS, WEEK),
    "a week after": (CERT, state(FORCED_NOW, None, served(1)), WEEK, None),
    "a longer hold-down": (
        CERT._replace(hold_down=8 * 86400.0),
        state(FORCED_NOW, None, served(1)),
        WEEK,
        WEEK + DAY,
    ),
    "a shorter hold-down": (
        CERT._replace(hold_down=0.0),
        state(FORCED_NOW, None, served(1)),
        WEEK - MS,
        WEEK,
    ),
    "nothing is served": (CERT, state(None, None, served(1)), NOW, None),
    "since when is not known": (CERT, state(generation(2, made=-1), None, served(1)), NOW, None),
    "there is no previous": (CERT, state(FORCED_NOW), NOW, None),
    "previous is stolen": (CERT, state(FORCED_NOW, None, served(1, compromised=True)), NOW, None),
    "previous was made at the same moment": (CERT, state(FORCED_NOW, None, served(1, made=-1)), NOW, None),
    "previous is the younger one, after a rollback": (
        CERT,
        state(served(1, since=0), None, served(2, made=-1)),
        NOW,
        None,
    ),
}


@each(KEPT)
def test_kept_until(row: tuple[CertificateSpec, CertificateState, datetime, datetime | None]) -> None:
    """For a while after a promotion peers pin the generation before it: that one they have long known."""
    cert, before, now, until = row
    assert kept_until(cert, before, now) == until


@pytest.mark.parametrize(
    ("more", "now", "keeps"),
    [
        ({"rotation": "forced"}, NOW, True),
        ({"rotation": "forced"}, WEEK, False),
        ({"rotation": "wanted"}, NOW, False),
    ],
    ids=["forced again soon", "forced a week later", "asked for"],
)
def test_keeps_previous(more: dict[str, Any], now: datetime, keeps: bool) -> None:
    """Who forces twice in a week does not lose the one generation that peers know."""
    assert keeps_previous(CERT, state(FORCED_NOW, generation(3), served(1), **more), now) is keeps
