"""When certificates of every lifetime are renewed, with and without their CA's advice."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from certctl.planning.due import due_at, paused_until, renew_at, rotate_at
from certctl.planning.spec import DAY, CertificateSpec
from certctl.planning.state import Advice, Generation, KeyRecord
from tests.unit import planning_cases
from tests.unit.planning_cases import CERT, HOUR, MS, NOW, each, record, served

BEGIN, DAYS = NOW, timedelta(days=1)


def generation(*lifetimes: float, advice: Advice | None = None) -> Generation:
    """One certificate of each lifetime, in days."""
    keys = tuple(KeyRecord("ecdsa-p256", "", "", "", record(0, days)) for days in lifetimes)
    return Generation(1, BEGIN, keys, issuance=1, advice=advice)


def spec(renew_before: float | None = None) -> CertificateSpec:
    return CERT._replace(renew_before=renew_before)


@pytest.mark.parametrize(
    ("lifetime", "after"),
    [
        (1, 0.5),
        (6, 3),
        (160 / 24, 80 / 24),
        (10, 5),
        (10.5, 7),
        (45, 30),
        (64, 64 * 2 / 3),
        (90, 60),
        (200, 400 / 3),
        (398, 398 * 2 / 3),
    ],
)
def test_without_advice(lifetime: float, after: float) -> None:
    """A third of the lifetime before the end, half for ten days and less; no lifetime is built in."""
    found = renew_at(spec(), generation(lifetime))
    assert found is not None
    assert abs(found - (BEGIN + after * DAYS)) < timedelta(seconds=1)


def test_the_first_of_several() -> None:
    """With several algorithms the certificate that is due first decides."""
    assert renew_at(spec(), generation(90, 45)) == BEGIN + 30 * DAYS


@pytest.mark.parametrize("lifetime", [6, 45, 90, 398])
def test_advice(lifetime: float) -> None:
    """The moment that was chosen in the CA's window decides, unless renew_before is configured."""
    moment = BEGIN + timedelta(hours=7)
    advice = Advice(moment, moment - DAYS, moment + DAYS, BEGIN)
    assert renew_at(spec(), generation(lifetime, advice=advice)) == moment
    configured = renew_at(spec(2 * DAY), generation(lifetime, advice=advice))
    assert configured == BEGIN + (lifetime - 2) * DAYS


@pytest.mark.parametrize("lifetime", [6, 30])
def test_longer_than_it_lives(lifetime: float) -> None:
    """`renew_before = "30d"` does not renew a six-day certificate in every pass: it is left to auto."""
    assert renew_at(spec(30 * DAY), generation(lifetime)) == renew_at(spec(), generation(lifetime))


def test_not_issued_yet() -> None:
    """There is nothing to renew."""
    assert renew_at(spec(), Generation(1, BEGIN, (KeyRecord("ecdsa-p256", "", "", ""),))) is None
    assert (
        renew_at(spec(), generation(90)._replace(keys=(*generation(90).keys, KeyRecord("rsa", "", "", ""))))
        is None
    )


def advised(moment: datetime, issuance: int = 1) -> Generation:
    return generation(90, advice=planning_cases.advice(moment))._replace(issuance=issuance)


END = BEGIN + 90 * DAYS
ADVICE: dict[str, tuple[Generation, datetime]] = {
    "a millisecond before the end": (advised(END - MS), END - MS),
    "at the end, from a clock that was ahead": (advised(END), BEGIN + 60 * DAYS),
    "of what was issued before": (advised(END - MS, issuance=0), BEGIN + 60 * DAYS),
}


@each(ADVICE)
def test_advice_that_is_none(row: tuple[Generation, datetime]) -> None:
    """Only what the CA said of this certificate, and of a moment at which it is valid, is followed."""
    asked, moment = row
    assert renew_at(spec(), asked) == moment


def old(left: float, issued: float = 0, **more: Any) -> Generation:
    """A certificate of 90 days, issued when *left* days were left of it."""
    return served(start=left - 90, end=left, issued=issued, **more)


PAUSE: dict[str, tuple[Generation, timedelta | None]] = {
    "due a millisecond after its issuance": (old(30 + MS / DAYS), None),
    "due when it was issued: a day at most": (old(30), timedelta(days=1)),
    "a tenth of what is left": (old(5), 12 * HOUR),
    "issued at its end": (old(0), None),
    "of which it is not known when it was issued": (old(5)._replace(issued_at=None), None),
    "never issued": (served(start=None), None),
    "advised when it was issued: an hour": (old(80, advice=planning_cases.advice(NOW)), HOUR),
    "advised later: an hour too": (old(80, advice=planning_cases.advice(NOW + 9 * DAYS)), HOUR),
    "advised, and a tenth of what is left is less": (
        old(0.25, advice=planning_cases.advice(NOW)),
        timedelta(minutes=36),
    ),
}


@each(PAUSE)
def test_pause(row: tuple[Generation, timedelta | None]) -> None:
    """What is due again when it is issued is used for a while: the CA would answer the same."""
    asked, pause = row
    assert paused_until(CERT, asked) == (None if pause is None else NOW + pause)


def test_due_after_the_pause() -> None:
    """A renewal is asked for at its moment, or when the pause after an issuance is over, if that is later."""
    assert due_at(CERT, old(30)) == NOW + DAYS
    assert due_at(CERT, old(89)) == NOW + 59 * DAYS
    assert due_at(CERT, old(80, advice=planning_cases.advice(NOW + 9 * DAYS))) == NOW + 9 * DAYS
    assert due_at(CERT, served(start=None)) is None


ROTATES: dict[str, tuple[CertificateSpec, Generation | None, datetime | None]] = {
    "by rotate_every": (CERT, served(), NOW + 70 * DAYS),
    "never": (CERT._replace(rotate_every=None), served(), None),
    "not served yet": (CERT, planning_cases.generation(1), None),
    "there is none": (CERT, None, None),
}


@each(ROTATES)
def test_rotate_at(row: tuple[CertificateSpec, Generation | None, datetime | None]) -> None:
    """A key has served its time when it was served for rotate_every."""
    cert, asked, moment = row
    assert rotate_at(cert, asked) == moment
