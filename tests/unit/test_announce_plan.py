"""When announcing is due, what waits and until when: the rules as tables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from certctl.core.holds import holds, next_moment
from certctl.core.model import CertificateState, Failure, Generation, HookState, KeyRecord, Sighting
from certctl.core.observed import AnnouncerSeen, CertificateSeen, FileSeen, HookSeen, PeerSeen, World
from certctl.core.others import announce_step, map_step
from certctl.core.pins import announced, previous_ends
from certctl.core.spec import AnnouncerSpec, CertificateSpec, IssuerSpec, Spec

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
SEEN = {"dane": Sighting(EARLIER)}
LAG = "ns2.example.org (192.0.2.2) does not show the pins of mx1 yet"


def generation(number: int, seen: dict[str, Sighting] | None = None, **other: Any) -> Generation:
    key = KeyRecord("ecdsa-p256", f"{number:02X}", "", "")
    return Generation(number, EARLIER, (key,), seen=SEEN if seen is None else seen, **other)


def spec(**other: Any) -> Spec:
    cert = CertificateSpec("mx1", ("mx1.example.org",), announce=("dane",), **other)
    return Spec(
        "/certctl.toml",
        issuers={"self-signed": IssuerSpec("self-signed", "self-signed")},
        certificates={"mx1": cert},
        announcers={"dane": AnnouncerSpec("dane", "dns", ttl=3600)},
    )


def world(seen: AnnouncerSeen, state: CertificateState | None = None, **other: Any) -> World:
    current = generation(1, promoted_at=EARLIER, issuance=1)
    state = state or CertificateState("mx1", current, generation(2), last_number=2)
    certificate = CertificateSeen(state, **other)
    return World({"mx1": certificate}, {}, {}, {"dane": seen}, {}, {})


SHOWN = AnnouncerSeen({"mx1": "a"}, {"mx1": "a"})
FAILED = Failure("announce", "dane", "the server is down", None, EARLIER, 2, LATER)
UNSEEN = SHOWN._replace(unseen={"mx1": LAG}, ask_at=LATER)
NOT_SIGHTED = CertificateState(
    "mx1", generation(1, promoted_at=EARLIER), generation(2, seen={}), last_number=2
)

CHANGED = ("announce", "the pins of mx1 changed")
OVER = ("retract", "pins of mx1 are over")
GONE = ("retract", "x is not to be announced any more")


@pytest.mark.parametrize(
    ("seen", "state", "step"),
    [
        (SHOWN, None, None),
        (SHOWN._replace(shown={}), None, CHANGED),
        (SHOWN._replace(shown={"mx1": "b"}), None, CHANGED),
        (SHOWN._replace(shown={"mx1": "b"}, fewer=frozenset({"mx1"})), None, OVER),
        (SHOWN._replace(shown={"mx1": "a", "x": "c"}), None, GONE),
        (SHOWN._replace(problem="it is missing"), None, ("announce", "it is missing")),
        (SHOWN._replace(due_at=LATER, due_reason="old"), None, None),
        (SHOWN._replace(due_at=NOW, due_reason="old"), None, ("announce", "old")),
        (SHOWN, NOT_SIGHTED, ("announce", "whether the pins of mx1 can be seen")),
        (UNSEEN, NOT_SIGHTED, None),
        (UNSEEN._replace(ask_at=NOW), NOT_SIGHTED, ("announce", LAG)),
        (UNSEEN._replace(shown={}), NOT_SIGHTED, CHANGED),
        (SHOWN._replace(shown={}, failure=FAILED), None, None),
        (SHOWN._replace(shown={}, failure=FAILED._replace(retry_at=NOW)), None, CHANGED),
        (SHOWN._replace(shown={}, failure=FAILED._replace(retry_at=None)), None, CHANGED),
    ],
)  # fmt: skip
def test_when_announcing_is_due(
    seen: AnnouncerSeen, state: CertificateState | None, step: tuple[str, str] | None
) -> None:
    """A level is compared, never an edge: what is shown, and seen, with what should be."""
    found = announce_step(spec(), world(seen, state), "dane", NOW)
    assert (None if found is None else (found.kind, found.reason)) == step


def test_nothing_is_retracted_of_what_cannot_be_read() -> None:
    """A state that is unreadable says nothing of what should be shown."""
    seen = SHOWN._replace(wanted={}, shown={"mx1": "a"})
    assert announce_step(spec(), world(seen, unreadable="no permission"), "dane", NOW) is None
    assert announce_step(spec(), world(seen), "dane", NOW) is not None


def test_hooks_come_before_sightings() -> None:
    """As long as a hook has to carry the file further, it is not asked whether it can be seen."""
    file = FileSeen("/zone", hooks=("reload",), digest="new")
    asked = world(SHOWN._replace(files=(file,)), NOT_SIGHTED)
    for delivered, due in (("old", False), ("new", True)):
        asked.hooks["reload"] = HookSeen(HookState("reload", {"/zone": delivered}), {"/zone": "new"})
        assert (announce_step(spec(), asked, "dane", NOW) is not None) == due


def test_the_plan_says_which_server_lags() -> None:
    """Both holds name it: that of the announcement, and that of the rotation that waits for it."""
    state = NOT_SIGHTED._replace(rotation="wanted")
    found = {hold.kind: hold for hold in holds(spec(hold_down=60.0), world(UNSEEN, state), NOW)}
    assert (found["announce"].reason, found["announce"].until) == (LAG, LATER)
    assert found["promote"].reason.endswith(f"the next key has not been seen through dane yet: {LAG}")
    assert found["promote"].until is None


def test_failures_hold_and_are_told() -> None:
    """A back-off is a hold that says "failed", so that passes in between do not look well."""
    state = NOT_SIGHTED._replace(rotation="wanted")
    found = {hold.kind: hold for hold in holds(spec(), world(SHOWN._replace(failure=FAILED), state), NOW)}
    assert found["announce"].reason == "failed: the server is down"
    assert found["announce"].until == LATER
    assert found["promote"].reason.endswith("seen through dane yet: the server is down")


@pytest.mark.parametrize(
    ("seen", "moment"),
    [
        (SHOWN, None),
        (UNSEEN, LATER),
        (SHOWN._replace(due_at=LATER), LATER),
        (SHOWN._replace(failure=FAILED), LATER),
        (SHOWN._replace(due_at=EARLIER), None),
    ],
)
def test_the_next_pass(seen: AnnouncerSeen, moment: datetime | None) -> None:
    """The daemon sleeps until somebody is to be asked, tried again, or told anew."""
    assert next_moment(spec(rotate_every=None), world(seen), NOW) == moment


@pytest.mark.parametrize(("hold_down", "seconds"), [(0.0, 7200), (60.0, 7200), (86400.0, 86400)])
def test_the_time_of_previous_pins(hold_down: float, seconds: float) -> None:
    """They stay for the hold-down after promotion, in the DNS for twice the TTL at least."""
    asked = spec(hold_down=hold_down, rotate_every=None)
    cert, via = asked.certificates["mx1"], asked.announcers["dane"]
    state = CertificateState(
        "mx1", generation(2, promoted_at=NOW), generation(3), generation(1), last_number=3
    )
    end = NOW + timedelta(seconds=seconds)
    assert previous_ends(cert, state, via) == end
    for moment, slots in ((end - timedelta(seconds=1), 3), (end, 2)):
        assert len(announced(cert, state, moment, via=via).pins) == slots
    assert len(announced(cert, state, end, via=via, proved=False).pins) == 3
    assert end in (next_moment(asked, world(SHOWN, state), end - timedelta(seconds=1)),)


def test_maps_and_peers() -> None:
    """A map is written where it is not as it should be; a failing peer holds; the next look is planned."""
    assert map_step(FileSeen("/map")) is None
    step = map_step(FileSeen("/map", "is missing"))
    assert step is not None
    assert (step.kind, step.path) == ("write", "/map")
    asked = world(SHOWN)
    asked.peers["bob"] = PeerSeen(fetch_at=LATER)
    plain = spec(rotate_every=None)
    assert next_moment(plain, asked, NOW) == LATER
    asked.peers["bob"] = PeerSeen(fetch_at=LATER + timedelta(hours=1), failure=FAILED)
    assert next_moment(plain, asked, NOW) == LATER
    assert ("write", "bob", "failed: the server is down") in [hold[:3] for hold in holds(plain, asked, NOW)]
