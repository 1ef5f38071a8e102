"""When certificates of every lifetime are renewed, with and without their CA's advice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from certctl.core.model import Advice, CertificateRecord, Generation, KeyRecord
from certctl.core.spec import DAY, CertificateSpec
from certctl.core.when import renew_at

BEGIN = datetime(2026, 11, 24, tzinfo=timezone.utc)
DAYS = timedelta(days=1)


def generation(*lifetimes: float, advice: Advice | None = None) -> Generation:
    """One certificate of each lifetime, in days."""
    keys = tuple(
        KeyRecord("ecdsa-p256", "", "", "", CertificateRecord("", "", "", "", BEGIN, BEGIN + days * DAYS))
        for days in lifetimes
    )
    return Generation(1, BEGIN, keys, issuance=1, advice=advice)


def spec(renew_before: float | None = None) -> CertificateSpec:
    return CertificateSpec("mx1", ("mx1.example",), renew_before=renew_before)


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
