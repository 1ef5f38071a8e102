"""What each step makes of a lineage's state: what moves, what is retired, and what is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from certctl.planning import transitions
from certctl.planning.state import CertificateState, Generation, Issuance, KeyRecord, Observation, Wait
from tests.unit.planning_cases import (
    CERT,
    DAY,
    NOW,
    advice,
    each,
    failure,
    generation,
    record,
    served,
    state,
)

FEED = {"feed": Observation(NOW - DAY)}


def numbers(after: CertificateState) -> tuple[int | None, int | None, int | None, tuple[int, ...]]:
    """Which generations are current, next, previous and retired."""
    slots = [after.slot(slot) for slot in ("current", "next", "previous")]
    one, two, three = (found.number if found else None for found in slots)
    return one, two, three, after.retired


def same_keys(number: int, as_in: int) -> Generation:
    """Where certificates are pinned, a renewal of them: a generation with the keys of another one."""
    return generation(number)._replace(keys=generation(as_in).keys)


# Who is where afterwards

KEYS = (KeyRecord("ecdsa-p256", "new", "", ""),)
FULL = state(served(2), generation(3), served(1))
Moves = tuple[Callable[[], CertificateState], tuple[int | None, int | None, int | None, tuple[int, ...]]]
MOVES: dict[str, Moves] = {
    "make-key: the first": (lambda: transitions.with_next(state(), 1, KEYS, NOW), (None, 1, None, ())),
    "make-key: in place of a lost one": (
        lambda: transitions.with_next(FULL, 4, KEYS, NOW),
        (2, 4, 1, (3,)),
    ),
    "promote: the first": (
        lambda: transitions.promoted(state(None, generation(1)), NOW),
        (1, None, None, ()),
    ),
    "promote: the second": (
        lambda: transitions.promoted(state(served(1), generation(2)), NOW),
        (2, None, 1, ()),
    ),
    "promote: the third": (lambda: transitions.promoted(FULL, NOW), (3, None, 2, (1,))),
    "promote: forced again, previous is what peers know": (
        lambda: transitions.promoted(FULL, NOW, keep_previous=True),
        (3, None, 1, (2,)),
    ),
    "promote: what was current is unknown": (
        lambda: transitions.promoted(state(None, generation(3), served(1)), NOW),
        (3, None, 1, ()),
    ),
    "rollback": (lambda: transitions.rolled_back(FULL, NOW), (1, 3, 2, ())),
    "rollback: with nothing served": (
        lambda: transitions.rolled_back(state(None, None, served(1)), NOW),
        (1, None, None, ()),
    ),
    "rollback: next renews what is left": (
        lambda: transitions.rolled_back(state(served(2), same_keys(3, 2), served(1)), NOW),
        (1, None, 2, (3,)),
    ),
    "rollback: all have the same keys": (
        lambda: transitions.rolled_back(state(served(2), same_keys(3, 2), same_keys(1, 2)), NOW),
        (1, 3, 2, ()),
    ),
    "abort": (lambda: transitions.aborted(FULL, NOW), (2, None, 1, (3,))),
    "abort: nothing to abort": (lambda: transitions.aborted(state(served(2)), NOW), (2, None, None, ())),
    "stolen: next": (lambda: transitions.compromised(FULL, "next"), (2, None, 1, (3,))),
    "stolen: current": (lambda: transitions.compromised(FULL, "current"), (2, 3, 1, ())),
    "stolen: current, which next renews": (
        lambda: transitions.compromised(state(served(2), same_keys(3, 2), served(1)), "current"),
        (2, None, 1, (3,)),
    ),
    "retire": (lambda: transitions.removed(state(retired=(1, 2, 3)), 2), (None, None, None, (1, 3))),
}


@each(MOVES)
def test_slots(row: Moves) -> None:
    """Every step moves generations between slots, and none is lost: it is in a slot, or retired."""
    do, expected = row
    assert numbers(do()) == expected


# What they carry with them


def test_a_new_next_begins_at_nothing() -> None:
    """It is made now, has no certificate, and its number is never used again."""
    after = transitions.with_next(state(served(1), last_number=7), 8, KEYS, NOW)
    assert after.next == Generation(8, NOW, KEYS)
    assert after.last_number == 8
    assert transitions.with_next(state(last_number=9), 8, KEYS, NOW).last_number == 9


PROMOTED: dict[str, tuple[CertificateState, bool, datetime, bool, str]] = {
    "the first": (state(None, generation(2)), False, NOW, False, ""),
    "other keys": (state(served(1), generation(2), rotation="wanted"), False, NOW, False, ""),
    "other keys, the old ones stolen": (
        state(served(1, compromised=True), generation(2), rotation="forced"),
        True,
        NOW,
        False,
        "",
    ),
    "the same keys": (
        state(served(1), same_keys(2, 1), rotation="wanted"),
        False,
        NOW - 30 * DAY,
        False,
        "wanted",
    ),
    "the same keys, stolen": (
        state(served(1, compromised=True), same_keys(2, 1), rotation="forced"),
        True,
        NOW - 30 * DAY,
        True,
        "forced",
    ),
}


@each(PROMOTED)
def test_promoted(row: tuple[CertificateState, bool, datetime, bool, str]) -> None:
    """A rotation ends with other keys; with the same ones its clock, what was asked for and a theft go on."""
    before, before_stolen, rotates_from, stolen, rotation = row
    asked = before._replace(renewal_wanted=True, rollback_wanted=True, held="a probe failed")
    after = transitions.promoted(asked, NOW)
    assert after.current is not None
    assert (after.current.promoted_at, after.current.rotates_from) == (NOW, rotates_from)
    assert (after.current.compromised, after.rotation) == (stolen, rotation)
    assert (after.renewal_wanted, after.rollback_wanted, after.held) == (False, False, None)
    assert bool(after.previous and after.previous.compromised) is before_stolen


def test_rolled_back() -> None:
    """The clock of rotations begins anew, nothing stays asked for, and what waits for a person still does."""
    asked = FULL._replace(rotation="wanted", renewal_wanted=True, rollback_wanted=True, held="a probe failed")
    after = transitions.rolled_back(asked, NOW)
    assert after.current is not None
    assert (after.current.promoted_at, after.current.rotates_from) == (NOW, NOW)
    assert (after.rotation, after.renewal_wanted, after.rollback_wanted) == ("", False, False)
    assert after.held == "a probe failed"


STOLEN: dict[str, tuple[str, bool, str, str | None]] = {
    "current is forced to give way": ("current", True, "forced", None),
    "previous is told no more, and nothing else changes": ("previous", True, "", "a probe failed"),
}


@each(STOLEN)
def test_compromised(row: tuple[str, bool, str, str | None]) -> None:
    """Compromised keys are marked; what stood in the way of a rotation does not any more."""
    slot, marked, rotation, held = row
    after = transitions.compromised(FULL._replace(held="a probe failed"), slot)
    found = after.slot(slot)
    assert found is not None
    assert (found.compromised, after.rotation, after.held) == (marked, rotation, held)


EVERYWHERE: dict[str, tuple[CertificateState, str, str, tuple[bool | None, ...], str]] = {
    "current, which renewed previous": (
        state(served(2), generation(3), same_keys(1, 2)),
        "current",
        "wanted",
        (True, False, True),
        "forced",
    ),
    "current, which next renews": (
        state(served(2), same_keys(3, 2), served(1)),
        "current",
        "wanted",
        (True, None, False),
        "forced",
    ),
    "next, which renews current": (
        state(served(2), same_keys(3, 2), served(1)),
        "next",
        "wanted",
        (True, None, False),
        "forced",
    ),
    "previous, which current renewed": (
        state(served(2), same_keys(3, 2), same_keys(1, 2)),
        "previous",
        "",
        (True, None, True),
        "forced",
    ),
    "previous, of whose two keys one is served": (
        state(served(2), None, served(1)._replace(keys=(*generation(1).keys, *generation(2).keys))),
        "previous",
        "",
        (True, None, True),
        "forced",
    ),
}


@each(EVERYWHERE)
def test_compromised_wherever_it_stands(
    row: tuple[CertificateState, str, str, tuple[bool | None, ...], str],
) -> None:
    """A key that is stolen in one generation is stolen in those around a renewal, too."""
    before, slot, asked, marked, rotation = row
    after = transitions.compromised(before._replace(rotation=asked), slot)
    found = [after.slot(one) for one in ("current", "next", "previous")]
    assert tuple(one and one.compromised for one in found) == marked
    assert after.rotation == rotation


def test_compromised_where_nothing_is() -> None:
    """What is not there cannot be marked."""
    assert transitions.compromised(state(), "previous") == state()


TOLD: dict[str, tuple[Generation, datetime | None, dict[int, datetime]]] = {
    "nobody was told": (generation(3), NOW, {}),
    "an announcer showed it": (generation(3, seen=FEED), NOW, {3: NOW}),
    "a peer acknowledged it": (generation(3, acks={"bob": NOW}), NOW, {3: NOW}),
    "it was served once": (served(3), NOW, {3: NOW}),
    "it is stolen": (generation(3, seen=FEED), None, {}),
}


@each(TOLD)
def test_aborted(row: tuple[Generation, datetime | None, dict[int, datetime]]) -> None:
    """A standby that others may pin is put aside for a hold-down, unless its keys are good no more."""
    following, now, aside = row
    after = transitions.aborted(state(served(2), following, rotation="wanted", held="a probe failed"), now)
    assert (after.retired, dict(after.aside)) == ((3,), aside)
    assert (after.rotation, after.held) == ("", None)


def test_removed() -> None:
    """What is gone from disk is in no list any more."""
    after = transitions.removed(state(retired=(1, 2), aside={1: NOW, 2: NOW}), 1)
    assert (after.retired, dict(after.aside)) == ((2,), {2: NOW})


# Certificates

NEW = record(0, 90, "new")
WAITING = Wait("a person signs", "")


def issue(before: CertificateState, slot: str, *, new_pins: bool = False) -> CertificateState:
    return transitions.issued(
        before, slot, (NEW,), names=("a.example",), issuer="other", now=NOW, new_pins=new_pins
    )


ISSUED: dict[str, tuple[str, bool, bool, bool]] = {
    "current, keys are pinned": ("current", False, True, False),
    "current, certificates are pinned": ("current", True, False, False),
    "next, keys are pinned": ("next", False, True, True),
    "previous, to be served again": ("previous", False, True, True),
}


@each(ISSUED)
def test_issued(row: tuple[str, bool, bool, bool]) -> None:
    """New certificates are new pins or not; what is asked for is a renewal of what is served."""
    slot, new_pins, keeps, wanted = row
    old = served(1, seen=FEED, acks={"bob": NOW}, advice=advice(NOW), ask_advice_at=NOW)
    before = state(old, old, old, renewal_wanted=True, waiting=WAITING)
    after = issue(before, slot, new_pins=new_pins)
    new = after.slot(slot)
    assert new is not None
    assert [key.certificate for key in new.keys] == [NEW]
    assert (new.issued_at, new.issued_by, new.names) == (NOW, "other", ("a.example",))
    assert (new.advice, new.ask_advice_at) == (None, None)
    assert (bool(new.seen), bool(new.acks)) == (keeps, keeps)
    assert (after.renewal_wanted, after.waiting) == (wanted, None)


NUMBERS: dict[str, tuple[Generation, int, bool]] = {
    "the first": (served(start=None), 1, False),
    "the second": (served(), 2, True),
    "after one was undone": (served(issuance=1, highest=4), 5, True),
    "of which one key has no certificate": (
        served(algorithms=("ecdsa-p256",))._replace(keys=(KeyRecord("ecdsa-p256", "", "", ""),)),
        2,
        False,
    ),
}


@each(NUMBERS)
def test_number_of_an_issuance(row: tuple[Generation, int, bool]) -> None:
    """No number is used twice, and what was there before is kept for the case that the new one is bad."""
    old, number, keeps = row
    new = issue(state(old), "current").current
    assert new is not None
    assert (new.issuance, new.highest, new.before is not None) == (number, number, keeps)


def test_renewal_undone() -> None:
    """The certificates before come back as they were, and there is no second way back."""
    before = state(served())
    renewed = issue(before, "current")
    assert renewed.current is not None
    assert renewed.current.before == Issuance(
        1, NOW - 30 * DAY, "ca", CERT.names, (record(-30, 60, "cert 1"),)
    )
    after = transitions.renewal_undone(renewed).current
    assert after is not None
    assert after == served()._replace(highest=2)


# Observations


def test_announced() -> None:
    """The first observation of current and next counts; previous is not looked at."""
    observation = Observation(NOW, 60.0, "here")
    after = transitions.announced(state(served(2, seen=FEED), generation(3), served(1)), "feed", observation)
    seen = [generation.seen if generation else None for generation in after[1:4]]
    assert seen == [FEED, {"feed": observation}, {}]
    assert transitions.announced(state(), "feed", observation) == state()


RETRACTED: dict[str, tuple[Generation | None, dict[str, Observation] | None]] = {
    "there is no previous": (None, None),
    "it was not seen there": (served(1, seen={"dns": Observation(NOW)}), {"dns": Observation(NOW)}),
    "it was": (served(1, seen={**FEED, "dns": Observation(NOW)}), {"dns": Observation(NOW)}),
}


@each(RETRACTED)
def test_retracted(row: tuple[Generation | None, dict[str, Observation] | None]) -> None:
    """What an announcer shows no more has to be seen there anew."""
    previous, seen = row
    after = transitions.retracted(state(served(2), None, previous), "feed")
    assert (after.previous.seen if after.previous else None) == seen


PLACES = {"feed": "here"}
STILL: dict[str, tuple[str, str, bool, str]] = {
    "it is shown where it was seen": ("feed", "here", True, "here"),
    "it is shown elsewhere now": ("feed", "there", False, ""),
    "the place was not kept": ("feed", "", True, "here"),
    "it is not shown any more": ("dns", "here", False, ""),
}


@each(STILL)
@pytest.mark.parametrize("slot", ["current", "next", "previous"])
def test_still_seen(slot: str, row: tuple[str, str, bool, str]) -> None:
    """An observation counts where pins are shown now; elsewhere the hold-down begins anew."""
    announcer, place, counts, after_place = row
    old = generation(1, seen={announcer: Observation(NOW, place=place)})
    after = transitions.without_stale(transitions.with_slot(state(), slot, old), PLACES).slot(slot)
    assert after is not None
    assert after.seen == ({announcer: Observation(NOW, place=after_place)} if counts else {})


# Failures


def test_failed() -> None:
    """A failure takes the place of an older one of its kind and subject, and of no other."""
    one, two = failure(), failure("write")
    before = state(failures=(one, two))
    assert transitions.failed(before, one._replace(attempts=2)).failures == (two, one._replace(attempts=2))


FORGOTTEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all": ({}, []),
    "those of a kind": ({"kind": "issue"}, ["write"]),
    "those of a kind and subject": ({"kind": "write", "subject": "mx1"}, ["issue"]),
    "none, of another subject": ({"kind": "write", "subject": "mx2"}, ["issue", "write"]),
}


@each(FORGOTTEN)
def test_without_failure(row: tuple[dict[str, Any], list[str]]) -> None:
    """What is asked for is forgotten; where there is nothing, the state is the same one."""
    which, left = row
    before = state(failures=(failure(), failure("write")))
    after = transitions.without_failure(before, **which)
    assert [one.kind for one in after.failures] == left
    assert (after is before) is (len(left) == 2)
