"""Back-offs and waits: until when they stand before a step, and what ends them at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from certctl.planning.host_rules import hook_blocked
from certctl.planning.observed import HookSeen
from certctl.planning.retry import back_off, blocked, issue_basis, waits
from certctl.planning.spec import CertificateSpec, IssuerSpec
from certctl.planning.state import CertificateState, Failure, HookState, Wait
from certctl.planning.steps import Step
from tests.unit.planning_cases import (
    CERT,
    DAY,
    HOUR,
    MS,
    NOW,
    SPEC,
    each,
    failure,
    generation,
    served,
    spec,
    state,
)

ISSUE = Step("issue", "mx1", "why", slot="current")
SERVED = state(served(), generation(2))
BASIS = issue_basis(SPEC, CERT, SERVED, "current")
RETRY = NOW + HOUR

WAITS: dict[str, tuple[datetime, datetime | None, datetime, bool]] = {
    "it never has a moment": (NOW, None, NOW, False),
    "the moment it failed": (NOW, RETRY, NOW, True),
    "a millisecond before its end": (NOW, RETRY, RETRY - MS, True),
    "at its end": (NOW, RETRY, RETRY, False),
    "it began a millisecond ahead of now": (NOW, RETRY, NOW - MS, False),
}


@each(WAITS)
def test_back_off(row: tuple[datetime, datetime | None, datetime, bool]) -> None:
    """A back-off stands from its beginning to its end; one that begins ahead of now is over."""
    at, retry, now, stands = row
    assert waits(failure(at=at, retry=retry), now) is stands
    hook = HookSeen(HookState("reload", last_run=at, attempts=1, retry_at=retry))
    assert hook_blocked(hook, now) is stands


def test_back_off_of_a_hook_that_was_mended() -> None:
    """Another program is tried at once; that of a run that was cut short waits like any other."""
    hook = HookSeen(HookState("reload", attempts=1, retry_at=RETRY, basis="old"), basis="old")
    assert hook_blocked(hook, NOW)
    assert not hook_blocked(hook._replace(basis="new"), NOW)


def failed(kind: str = "issue", basis: str = BASIS) -> tuple[Failure, ...]:
    return (failure(kind, retry=RETRY, basis=basis),)


def waiting(until: datetime | None, basis: str = BASIS) -> Wait:
    return Wait("a person signs", basis, until)


BLOCKED: dict[str, tuple[Step, CertificateState, datetime, bool]] = {
    "nothing failed": (ISSUE, SERVED, NOW, False),
    "it failed, a millisecond before the retry": (
        ISSUE,
        SERVED._replace(failures=failed()),
        RETRY - MS,
        True,
    ),
    "it failed, at the retry": (ISSUE, SERVED._replace(failures=failed()), RETRY, False),
    "it failed, for something else": (ISSUE, SERVED._replace(failures=failed(basis="else")), NOW, False),
    "something else failed": (ISSUE, SERVED._replace(failures=failed("write")), NOW, False),
    "it waits for a person": (ISSUE, SERVED._replace(waiting=waiting(None)), NOW + 999 * DAY, True),
    "it waits, a millisecond before the end": (
        ISSUE,
        SERVED._replace(waiting=waiting(RETRY)),
        RETRY - MS,
        True,
    ),
    "it waited": (ISSUE, SERVED._replace(waiting=waiting(RETRY)), RETRY, False),
    "it waits for something else": (ISSUE, SERVED._replace(waiting=waiting(None, "else")), NOW, False),
    "another step": (ISSUE._replace(kind="write", slot=None), SERVED._replace(failures=failed()), NOW, False),
}


@each(BLOCKED)
def test_blocked(row: tuple[Step, CertificateState, datetime, bool]) -> None:
    """Only what was tried as it would be tried now waits, and no longer than was said."""
    step, before, now, expected = row
    assert blocked(SPEC, before, step, now) is expected


CHANGES: dict[str, Any] = {
    "other names": CERT._replace(names=("mx2.example",)),
    "other keys": CERT._replace(keys=("ed25519",)),
    "another validity": CERT._replace(validity=1.0),
    "another issuer": CERT._replace(issuers=("other",)),
}


@each(CHANGES)
def test_what_ends_a_back_off(row: CertificateSpec) -> None:
    """What a request depends on ends its back-off when it changes; the rest of the configuration does not."""
    assert issue_basis(spec(row), row, SERVED, "current") != BASIS


def test_a_basis_is_of_the_generation_and_of_the_issuers_options() -> None:
    """Another generation, another slot or a mended issuer is another request; no slot has one, too."""
    mended = SPEC._replace(issuers={"ca": IssuerSpec("ca", "acme")})
    found = {
        issue_basis(SPEC, CERT, SERVED, "current"),
        issue_basis(SPEC, CERT, SERVED, "next"),
        issue_basis(SPEC, CERT, SERVED, "previous"),
        issue_basis(mended, CERT, SERVED, "current"),
        issue_basis(SPEC, CERT, state(served(5)), "current"),
    }
    assert len(found) == 5
    assert issue_basis(SPEC, CERT._replace(hold_down=1.0, rotate_every=None), SERVED, "current") == BASIS


@pytest.mark.parametrize("issuers", [("ca", "gone"), ("ca",)])
def test_an_issuer_that_is_not_configured(issuers: tuple[str, ...]) -> None:
    """It is passed over: the configuration refuses it elsewhere."""
    assert issue_basis(SPEC, CERT._replace(issuers=issuers), SERVED, "current") == BASIS


ASKED: dict[str, tuple[int, float | None, float | None, float]] = {
    "the first failure": (1, None, None, 60),
    "the second": (2, None, None, 120),
    "the sixth": (6, None, None, 1920),
    "the seventh is at the cap": (7, None, None, 3600),
    "the hundredth": (100, None, None, 3600),
    "more was asked for": (1, 3601, None, 3601),
    "less was asked for than the back-off": (1, 30, 1800, 60),
    "more was asked for than is allowed": (1, 3600, 1800, 1800),
    "some was asked for, and less is allowed than the back-off": (1, 3600, 5, 60),
    "ages were asked for": (1, 1e12, 43200, 43200),
    "nothing was asked for, and much is allowed": (1, None, 43200, 60),
}


@each(ASKED)
def test_length_of_a_back_off(row: tuple[int, float | None, float | None, float]) -> None:
    """Doubled each time up to the cap; Retry-After is obeyed beyond it, but no longer than is allowed."""
    attempts, asked, most, seconds = row
    assert back_off(attempts, 60, 3600, NOW, asked, most) == NOW + timedelta(seconds=seconds)
