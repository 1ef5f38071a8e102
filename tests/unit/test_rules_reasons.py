"""Why a key should give way, why a certificate should be renewed, why next should become current."""

from __future__ import annotations

from datetime import datetime

import pytest

from certctl.planning import rules
from certctl.planning.observed import FileSeen
from certctl.planning.spec import DAY as DAY_SECONDS
from tests.unit.planning_cases import (
    CERT,
    DAY,
    DOUBT,
    HOUR,
    MINUTE,
    MS,
    NOW,
    PINNED,
    advice,
    case,
    each,
    generation,
    served,
    state,
)

OLD = NOW + 70 * DAY
"""When a key that is served since 30 days ago has served for rotate_every."""
BY_AGE = "the current key has been served since 2026-10-25 12:00 UTC, rotate_every 100d"
TWO = ("ecdsa-p256", "rsa-2048")

ROTATION: dict[str, tuple[rules.Case, str | None]] = {
    "no key is served yet": (case(state(rotation="wanted")), None),
    "young": (case(state(served())), None),
    "a millisecond before rotate_every is over": (case(state(served()), now=OLD - MS), None),
    "the moment rotate_every is over": (case(state(served()), now=OLD), BY_AGE),
    "a millisecond after": (case(state(served()), now=OLD + MS), BY_AGE),
    "old, but rotations wait for a person": (case(state(served(), held="a probe failed"), now=OLD), None),
    "old by a clock that is doubted": (case(state(served()), DOUBT, now=OLD), None),
    "old, but rotate_every is never": (
        case(state(served()), cert=CERT._replace(rotate_every=None), now=OLD),
        None,
    ),
    "of unknown age": (case(state(served(rotates_from=None)), now=OLD), None),
    "asked for": (case(state(served(), rotation="wanted")), "a rotation was asked for"),
    "asked for, doubted": (case(state(served(), rotation="wanted"), DOUBT), "a rotation was asked for"),
    "asked for by who let a failed probe pass": (
        case(state(served(), rotation="wanted", held="a probe failed")),
        "a rotation was asked for",
    ),
    "forced": (case(state(served(), rotation="forced")), "forced"),
    "forced, doubted": (case(state(served(), rotation="forced"), DOUBT), "forced"),
    "stolen": (case(state(served(compromised=True))), "the current key is compromised"),
    "stolen, and forced": (
        case(state(served(compromised=True), rotation="forced")),
        "the current key is compromised",
    ),
    "lost": (case(state(served()), lost=frozenset({"current"})), "the current key is missing from disk"),
    "only its certificates are lost": (case(state(served()), damaged=frozenset({"current"})), None),
    "only the standby is lost": (case(state(served()), lost=frozenset({"next"})), None),
    "another algorithm is configured": (
        case(state(served()), cert=CERT._replace(keys=("ed25519",))),
        "keys are configured as ed25519, served are ecdsa-p256",
    ),
    "one more algorithm is configured": (
        case(state(served()), cert=CERT._replace(keys=TWO)),
        "keys are configured as ecdsa-p256, rsa-2048, served are ecdsa-p256",
    ),
    "the same algorithms in another order": (
        case(state(served(algorithms=TWO)), cert=CERT._replace(keys=TWO[::-1])),
        None,
    ),
}


@each(ROTATION)
def test_rotation_wish(row: tuple[rules.Case, str | None]) -> None:
    """By age a key gives way only if the clock is believed; what a person asks for does not depend on it."""
    at, reason = row
    assert rules.rotation_reason(at) == reason


@pytest.mark.parametrize(("now", "wished"), [(OLD - 7 * DAY - MS, False), (OLD - 7 * DAY, True)])
def test_rotation_wish_ahead(now: datetime, wished: bool) -> None:
    """A successor that needs a hold-down is wished for that much earlier, to the millisecond."""
    reason = rules.rotation_reason(case(state(served()), now=now), ahead=CERT.hold_down)
    assert reason == (BY_AGE if wished else None)


DUE = NOW + 30 * DAY
"""When a certificate of 90 days that began 30 days ago is renewed."""
END = NOW + 60 * DAY
EXPIRES, EXPIRED = "it expires 2027-01-23 12:00 UTC", "it expired 2027-01-23 12:00 UTC"
BACKDATED = served(start=-80, end=10, issued=0)
"""Due when it was issued: used for a tenth of what is left."""
URL = "https://ca.example/why"

RENEWAL: dict[str, tuple[rules.Case, str | None]] = {
    "young": (case(state(served())), None),
    "asked for": (case(state(served(), renewal_wanted=True)), "a renewal was asked for"),
    "never issued": (case(state(served(start=None))), "it has no certificate yet"),
    "its files are lost": (
        case(state(served()), damaged=frozenset({"current"})),
        "its certificate files are missing or damaged",
    ),
    "files of another slot are lost": (
        case(state(served(), generation(2)), damaged=frozenset({"next"})),
        None,
    ),
    "one more name is configured": (
        case(state(served()), cert=CERT._replace(names=("mx1.example", "mx2.example"))),
        "names are configured as mx1.example, mx2.example, the certificate has mx1.example",
    ),
    "the same names in another order": (
        case(
            state(served(names=("b.example", "a.example"))),
            cert=CERT._replace(names=("a.example", "b.example")),
        ),
        None,
    ),
    "another issuer is configured": (
        case(state(served()), cert=CERT._replace(issuers=("other", "third"))),
        "issuer is configured as other, third, the certificate is from ca",
    ),
    "it came from the second of its issuers": (
        case(state(served()), cert=CERT._replace(issuers=("other", "ca"))),
        None,
    ),
    "a millisecond before it is valid": (
        case(state(served(start=2, end=92, issued=0)), now=NOW + 2 * DAY - MS),
        "it is not valid before 2026-11-26 12:00 UTC",
    ),
    "the moment it is valid": (case(state(served(start=2, end=92, issued=0)), now=NOW + 2 * DAY), None),
    "not valid yet, doubted": (case(state(served(start=2, end=92)), DOUBT), None),
    "issued more than a day ahead of now": (
        case(state(served(issued=3)), now=NOW + 2 * DAY - MS),
        "it was issued by a clock that was ahead, 2026-11-27 12:00 UTC",
    ),
    "issued a day ahead of now": (case(state(served(issued=3)), now=NOW + 2 * DAY), None),
    "issued ahead, doubted": (case(state(served(issued=400, end=500)), DOUBT), None),
    "a millisecond before a third is left": (case(state(served()), now=DUE - MS), None),
    "a third is left": (case(state(served()), now=DUE), EXPIRES),
    "a third is left, doubted": (case(state(served()), DOUBT, now=DUE), EXPIRES),
    "a millisecond after": (case(state(served()), now=DUE + MS), EXPIRES),
    "a millisecond before its end": (case(state(served()), now=END - MS), EXPIRES),
    "at its end": (case(state(served()), now=END), EXPIRED),
    "due when it was issued, in its pause": (case(state(BACKDATED), now=NOW + DAY - MS), None),
    "due when it was issued, after its pause": (
        case(state(BACKDATED), now=NOW + DAY),
        "it expires 2026-12-04 12:00 UTC",
    ),
    "before the CA's moment": (case(state(served(advice=advice(NOW))), now=NOW - MS), None),
    "at the CA's moment": (
        case(state(served(advice=advice(NOW)))),
        f"{EXPIRES}; the CA advises 2026-11-24 12:00 UTC",
    ),
    "at the CA's moment, which it explains": (
        case(state(served(advice=advice(NOW, URL)))),
        f"{EXPIRES}; the CA advises 2026-11-24 12:00 UTC, see {URL}",
    ),
    "at the CA's moment, but renew_before is configured": (
        case(state(served(advice=advice(NOW))), cert=CERT._replace(renew_before=10 * DAY_SECONDS)),
        None,
    ),
    "at renew_before": (
        case(
            state(served(advice=advice(NOW))),
            cert=CERT._replace(renew_before=10 * DAY_SECONDS),
            now=END - 10 * DAY,
        ),
        EXPIRES,
    ),
    "advised at once when issued, within the hour": (
        case(state(served(issued=0, advice=advice(NOW - DAY))), now=NOW + HOUR - MS),
        None,
    ),
    "advised at once when issued, an hour later": (
        case(state(served(issued=0, advice=advice(NOW - DAY))), now=NOW + HOUR),
        f"{EXPIRES}; the CA advises 2026-11-23 12:00 UTC",
    ),
}


@each(RENEWAL)
def test_renewal_wish(row: tuple[rules.Case, str | None]) -> None:
    """What people, the configuration and time ask for, and how long an issuance is left alone."""
    at, reason = row
    current = at.seen.state.current
    assert current is not None
    assert rules.renewal_reason(at, current) == reason
    assert [step.reason for step in rules.issue(at)] == ([reason] if reason else [])


def test_a_renewal_is_asked_for_what_is_served() -> None:
    """A renewal that was asked for is of the current generation; next needs none for it."""
    following = generation(2)
    assert rules.renewal_reason(case(state(served(), following, renewal_wanted=True)), following) is None


@pytest.mark.parametrize(("now", "wished"), [(DUE - 7 * DAY - MS, False), (DUE - 7 * DAY, True)])
def test_renewal_wish_ahead(now: datetime, wished: bool) -> None:
    """A certificate that is pinned is wished for a hold-down earlier, to the millisecond."""
    at = case(state(served()), cert=PINNED, now=now)
    assert at.seen.state.current is not None
    reason = rules.renewal_reason(at, at.seen.state.current, ahead=PINNED.hold_down)
    assert reason == (EXPIRES if wished else None)


FITS: dict[str, tuple[rules.Case, bool]] = {
    "valid and young": (case(state(served(), generation(2))), True),
    "without a certificate": (case(state(served(), generation(2, start=None))), False),
    "a millisecond before its end": (case(state(served(), generation(2)), now=END - MS), False),
    "due for renewal": (case(state(served(), generation(2)), now=DUE), False),
    "expired": (case(state(served(), generation(2)), now=END), False),
    "for other names": (case(state(served(), generation(2, names=("x.example",)))), False),
}


@each(FITS)
def test_fits(row: tuple[rules.Case, bool]) -> None:
    """A standby whose certificate is old, or for something else, gets another one before it is served."""
    at, fit = row
    assert at.seen.state.next is not None
    assert rules.fits(at, at.seen.state.next) is fit


READY = "a renewed certificate stands ready"
PROMOTION: dict[str, tuple[rules.Case, str | None]] = {
    "there is no next": (case(state(served(), rotation="wanted")), None),
    "nothing is served yet": (case(state(None, generation(2))), "it is the first, which nobody can pin yet"),
    "a file holds the next key": (
        case(state(served(), generation(2)), served_next="/etc/mx1.pem"),
        "/etc/mx1.pem holds its key already: the state is older than what is served",
    ),
    "the standby of keys that are pinned": (case(state(served(), generation(2))), None),
    "the successor of a certificate that is pinned": (
        case(state(served(), generation(2)), cert=PINNED),
        READY,
    ),
    "that successor, not issued yet": (case(state(served(), generation(2, start=None)), cert=PINNED), None),
    "that successor, and a rotation": (
        case(state(served(), generation(2), rotation="wanted"), cert=PINNED),
        "a rotation was asked for",
    ),
    "a rotation": (case(state(served(), generation(2), rotation="wanted")), "a rotation was asked for"),
}


@each(PROMOTION)
def test_promotion_reason(row: tuple[rules.Case, str | None]) -> None:
    """The first is wanted at once, a standby when its predecessor is to go, a renewal when it is there."""
    at, reason = row
    assert rules.promotion_reason(at) == at.promotion == reason


OPEN = NOW + 5 * MINUTE
"""When a key that was made five minutes and seven days ago has been known for the hold-down."""
YOUNG = generation(2, made=-7 + 5 / 1440)
MAY: dict[str, tuple[rules.Case, bool]] = {
    "there is no next": (case(state(served(), rotation="forced")), False),
    "its key is lost": (case(state(served(), generation(2)), lost=frozenset({"next"})), False),
    "its key is of another algorithm": (
        case(state(served(), generation(2)), cert=CERT._replace(keys=("ed25519",))),
        False,
    ),
    "a millisecond before the hold-down is over": (case(state(served(), YOUNG), now=OPEN - MS), False),
    "the moment the hold-down is over": (case(state(served(), YOUNG), now=OPEN), True),
    "over by a clock that is doubted": (case(state(served(), YOUNG), DOUBT, now=OPEN), False),
    "forced within the hold-down, doubted": (case(state(served(), YOUNG, rotation="forced"), DOUBT), True),
    "the first": (case(state(None, YOUNG), DOUBT), True),
    "a file holds its key": (case(state(served(), YOUNG), DOUBT, served_next="/a"), True),
    "a file holds a key that nobody knows": (
        case(state(served(), generation(2)), files=(FileSeen("/a", conflict="it holds another key"),)),
        False,
    ),
}


@each(MAY)
def test_may_promote(row: tuple[rules.Case, bool]) -> None:
    """The gate is one of time; the first, what is forced and what is served already need not wait."""
    at, may = row
    assert rules.may_promote(at) is may
