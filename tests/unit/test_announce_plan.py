"""When announcing is due, what waits and until when: the rules as tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from certctl.planning.clock import JUMP
from certctl.planning.holds import holds, next_moment
from certctl.planning.host_rules import announce_step, map_step, not_yet_seen
from certctl.planning.observed import AnnouncerSeen, FileSeen, HookSeen, PeerSeen, World
from certctl.planning.pins import announced, previous_ends
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, Spec
from certctl.planning.state import CertificateState, Failure, Generation, HookState, Observation
from tests.unit import planning_cases
from tests.unit.planning_cases import MINUTE, MS, NOW, each, generation, state

LATER, EARLIER = NOW + 5 * MINUTE, NOW - 5 * MINUTE
SEEN = {"dane": Observation(EARLIER)}
LAG = "ns2.example.org (192.0.2.2) does not show the pins of mx1 yet"


def key(number: int, seen: dict[str, Observation] | None = None, **other: Any) -> Generation:
    """A generation that was made just now, and seen."""
    return generation(number, made=-5 / 1440, start=None, seen=SEEN if seen is None else seen, **other)


def spec(**other: Any) -> Spec:
    cert = CertificateSpec("mx1", ("mx1.example.org",), announce=("dane",), **other)
    return planning_cases.spec(cert, AnnouncerSpec("dane", "dns", ttl=3600))


READY = state(key(1, promoted_at=EARLIER, issuance=1), key(2))


def world(seen: AnnouncerSeen, before: CertificateState = READY, **other: Any) -> World:
    return planning_cases.world(before, announcers={"dane": seen}, **other)


SHOWN = AnnouncerSeen({"mx1": "a"}, {"mx1": "a"})
FAILED = Failure("announce", "dane", "the server is down", None, EARLIER, 2, LATER)
UNSEEN = SHOWN._replace(unseen={"mx1": LAG}, ask_at=LATER)
NOT_SIGHTED = state(key(1, promoted_at=EARLIER), key(2, seen={}))

CHANGED = ("announce", "the pins of mx1 changed")
OVER = ("retract", "pins of mx1 are over")
GONE = ("retract", "x is not to be announced any more")


DUE: dict[str, tuple[AnnouncerSeen, CertificateState, tuple[str, str] | None]] = {
    "all is shown": (SHOWN, READY, None),
    "nothing is shown": (SHOWN._replace(shown={}), READY, CHANGED),
    "something else is shown": (SHOWN._replace(shown={"mx1": "b"}), READY, CHANGED),
    "more is shown than should be": (
        SHOWN._replace(shown={"mx1": "b"}, fewer=frozenset({"mx1"})), READY, OVER,
    ),
    "what is not configured any more is shown": (SHOWN._replace(shown={"mx1": "a", "x": "c"}), READY, GONE),
    "its file is gone": (SHOWN._replace(problem="it is missing"), READY, ("announce", "it is missing")),
    "a millisecond before it is too old": (SHOWN._replace(due_at=NOW + MS, due_reason="old"), READY, None),
    "it is too old": (SHOWN._replace(due_at=NOW, due_reason="old"), READY, ("announce", "old")),
    "a millisecond before it was made": (
        SHOWN._replace(ahead_until=NOW + MS), READY,
        ("announce", "what is shown was made 2026-11-24 12:00 UTC, which is yet to come"),
    ),
    "the moment it was made": (SHOWN._replace(ahead_until=NOW), READY, None),
    "it was not seen": (SHOWN, NOT_SIGHTED, ("announce", "whether the pins of mx1 can be seen")),
    "a millisecond before it is asked again": (UNSEEN._replace(ask_at=NOW + MS), NOT_SIGHTED, None),
    "it is asked again": (UNSEEN._replace(ask_at=NOW), NOT_SIGHTED, ("announce", LAG)),
    "it is asked again in a day": (UNSEEN._replace(ask_at=NOW + JUMP), NOT_SIGHTED, None),
    "a clock that was ahead said when": (
        UNSEEN._replace(ask_at=NOW + JUMP + MS), NOT_SIGHTED, ("announce", LAG),
    ),
    "it was not seen, and changed since": (UNSEEN._replace(shown={}), NOT_SIGHTED, CHANGED),
    "a millisecond before the retry": (
        SHOWN._replace(shown={}, failure=FAILED._replace(retry_at=NOW + MS)), READY, None,
    ),
    "the retry": (SHOWN._replace(shown={}, failure=FAILED._replace(retry_at=NOW)), READY, CHANGED),
    "it failed without a back-off": (
        SHOWN._replace(shown={}, failure=FAILED._replace(retry_at=None)), READY, CHANGED,
    ),
}  # fmt: skip


@each(DUE)
def test_when_announcing_is_due(row: tuple[AnnouncerSeen, CertificateState, tuple[str, str] | None]) -> None:
    """A level is compared, never an edge: what is shown, and seen, with what should be."""
    seen, before, step = row
    found = announce_step(spec(), world(seen, before), "dane", NOW)
    assert (None if found is None else (found.kind, found.reason)) == step


def test_nobody_is_asked_by_a_clock_that_is_doubted() -> None:
    """No hold-down begins by it, so nobody looks whether pins can be seen; they are shown all the same."""
    assert announce_step(spec(), world(SHOWN, NOT_SIGHTED, doubt="A to B"), "dane", NOW) is None
    assert announce_step(spec(), world(SHOWN._replace(shown={}), doubt="A to B"), "dane", NOW) is not None


KIND: dict[str, tuple[str, str, CertificateState, list[str]]] = {
    "keys, and next was not seen": ("key", "feed", NOT_SIGHTED, ["mx1"]),
    "keys, and both were": ("key", "feed", READY, []),
    "a certificate that is not issued": ("certificate", "feed", READY._replace(next=key(2, seen={})), []),
    "a certificate that is": (
        "certificate",
        "feed",
        READY._replace(next=key(2, seen={}, issuance=1)),
        ["mx1"],
    ),
    "its key in the DNS": ("certificate", "dns", READY._replace(next=key(2, seen={})), ["mx1"]),
    "nothing is there yet": ("key", "feed", state(), []),
}


@each(KIND)
def test_unsighted(row: tuple[str, str, CertificateState, list[str]]) -> None:
    """What is not there yet cannot be seen; the DNS shows keys, whatever is pinned."""
    pin, kind, before, names = row
    asked = spec(pin=pin)._replace(announcers={"dane": AnnouncerSpec("dane", kind)})
    assert not_yet_seen(asked, world(SHOWN, before), "dane") == names
    assert not_yet_seen(asked._replace(certificates={}), world(SHOWN, before), "dane") == []


def test_nothing_is_retracted_of_what_cannot_be_read() -> None:
    """A state that is unreadable, or not that of the files, says nothing of what should be shown."""
    seen = SHOWN._replace(wanted={}, shown={"mx1": "a"})
    assert announce_step(spec(), world(seen, unreadable="no permission"), "dane", NOW) is None
    conflict = FileSeen("/a", conflict="/a holds another key")
    assert announce_step(spec(), world(seen, files=(conflict,)), "dane", NOW) is None
    assert announce_step(spec(), world(seen), "dane", NOW) is not None


def test_hooks_come_before_observations() -> None:
    """As long as a hook has to carry the file further, it is not asked whether it can be seen."""
    file = FileSeen("/zone", hooks=("reload",), digest="new")
    asked = world(SHOWN._replace(files=(file,)), NOT_SIGHTED)
    for delivered, due in (("old", False), ("new", True)):
        asked.hooks["reload"] = HookSeen(HookState("reload", {"/zone": delivered}), {"/zone": "new"})
        assert (announce_step(spec(), asked, "dane", NOW) is not None) == due


def test_the_plan_says_which_server_lags() -> None:
    """Both holds name it: that of the announcement, and that of the rotation that waits for it."""
    before = NOT_SIGHTED._replace(rotation="wanted")
    found = {hold.kind: hold for hold in holds(spec(hold_down=60.0), world(UNSEEN, before), NOW)}
    assert (found["announce"].reason, found["announce"].until) == (LAG, LATER)
    assert found["promote"].reason.endswith(f"the next key has not been seen through dane yet: {LAG}")
    assert found["promote"].until is None


def test_failures_hold_and_are_told() -> None:
    """A back-off is a hold that says "failed", so that passes in between do not look well."""
    before = NOT_SIGHTED._replace(rotation="wanted")
    found = {hold.kind: hold for hold in holds(spec(), world(SHOWN._replace(failure=FAILED), before), NOW)}
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
    before = state(key(2, promoted_at=NOW), key(3), key(1))
    end = NOW + timedelta(seconds=seconds)
    assert previous_ends(cert, before, via) == end
    for moment, slots in ((end - timedelta(seconds=1), 3), (end, 2)):
        assert len(announced(cert, before, moment, via=via).pins) == slots
    assert len(announced(cert, before, end, via=via, proved=False).pins) == 3
    assert end in (next_moment(asked, world(SHOWN, before), end - timedelta(seconds=1)),)


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
