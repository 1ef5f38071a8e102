"""The steps of one certificate, a table for each rule: what was seen, what is done, and why."""

from __future__ import annotations

from typing import Any

import pytest

from certctl.planning import rules, steps
from certctl.planning.observed import CertificateSeen, FileSeen
from certctl.planning.plan import certificate_step
from certctl.planning.steps import Step
from tests.unit.planning_cases import (
    CERT,
    DAY,
    DOUBT,
    MS,
    NOW,
    PINNED,
    case,
    each,
    failure,
    generation,
    served,
    spec,
    state,
    told,
)

Row = tuple[rules.Case, list[tuple[str, str | None, str]]]
"""A case, and the steps that are expected of it: kind, slot or file, reason."""

LOST_NEXT, LOST_PREVIOUS = frozenset({"next"}), frozenset({"previous"})
LOST: dict[str, Any] = {"lost": frozenset({"current"})}
DAMAGED: dict[str, Any] = {"damaged": frozenset({"current"})}
CONFLICT = FileSeen("/etc/mx1.pem", "holds another key", conflict="/etc/mx1.pem holds another key")
ED25519 = CERT._replace(keys=("ed25519",))
FORCED: dict[str, Any] = {"rotation": "forced"}
WANTED: dict[str, Any] = {"rotation": "wanted"}
BACK: dict[str, Any] = {"rollback_wanted": True}
OLD = NOW + 70 * DAY
"""When what is served since 30 days ago has served for rotate_every."""
DUE, END = NOW + 30 * DAY, NOW + 60 * DAY
"""When its certificate is renewed, and when it ends."""
EXPIRES = "it expires 2027-01-23 12:00 UTC"


BACK_AGAIN = ("rollback", "previous", "generation 1 was asked back")
CERTIFY_FIRST = ("issue", "previous", "the previous key needs a valid certificate first")
TURNED = state(served(2), generation(3), served(1), **BACK)
ROLLBACK: dict[str, Row] = {
    "not asked for": (case(state(served(2), generation(3), served(1))), []),
    "asked for": (case(TURNED), [BACK_AGAIN]),
    "asked for, doubted": (case(TURNED, DOUBT), [BACK_AGAIN]),
    "there is no previous": (case(state(served(2), **BACK)), []),
    "the previous key is stolen": (case(state(served(2), None, served(1, compromised=True), **BACK)), []),
    "the previous key is lost": (case(TURNED, lost=LOST_PREVIOUS), []),
    "a file holds the next key": (case(TURNED, served_next="/etc/mx1.pem"), []),
    "a file holds a key that nobody knows": (case(TURNED, files=(CONFLICT,)), []),
    "its certificate ends in a millisecond": (case(TURNED, now=END - MS), [BACK_AGAIN]),
    "its certificate has ended": (case(TURNED, now=END), [CERTIFY_FIRST]),
    "its certificate is lost": (case(TURNED, damaged=LOST_PREVIOUS), [CERTIFY_FIRST]),
}


@each(ROLLBACK)
def test_rollback(row: Row) -> None:
    """What was asked back comes back with a valid certificate, unless its key is lost or stolen."""
    at, steps = row
    assert told(rules.rollback(at)) == steps


STANDBY = generation(2, made=-7)
"""Its hold-down is over NOW."""
PROMOTE: dict[str, Row] = {
    "nothing is wanted": (case(state(served(), STANDBY)), []),
    "wanted, a millisecond before the hold-down is over": (
        case(state(served(), STANDBY, **WANTED), now=NOW - MS),
        [],
    ),
    "wanted, the moment the hold-down is over": (
        case(state(served(), STANDBY, **WANTED)),
        [("promote", "next", "a rotation was asked for")],
    ),
    "wanted, over by a clock that is doubted": (case(state(served(), STANDBY, **WANTED), DOUBT), []),
    "forced within the hold-down": (
        case(state(served(), STANDBY, **FORCED), DOUBT, now=NOW - DAY),
        [("promote", "next", "forced")],
    ),
    "the current key is stolen": (
        case(state(served(compromised=True), STANDBY), now=NOW - DAY),
        [("promote", "next", "the current key is compromised")],
    ),
    "the current key is lost": (
        case(state(served(), STANDBY), **LOST),
        [("promote", "next", "the current key is missing from disk")],
    ),
    "there is no next": (case(state(served(), **FORCED)), []),
    "next has no certificate": (case(state(served(), generation(2, start=None), **FORCED)), []),
    "the first": (
        case(state(None, generation(2, made=0, start=0)), DOUBT),
        [("promote", "next", "it is the first, which nobody can pin yet")],
    ),
    "a renewed certificate is pinned, a millisecond too young": (
        case(state(served(), generation(2, start=-7)), cert=PINNED, now=NOW - MS),
        [],
    ),
    "a renewed certificate is pinned, and old enough": (
        case(state(served(), generation(2, start=-7)), cert=PINNED),
        [("promote", "next", "a renewed certificate stands ready")],
    ),
    "a file holds the next key": (
        case(state(served(), generation(2)), served_next="/a"),
        [("promote", "next", "/a holds its key already: the state is older than what is served")],
    ),
    "previous was asked back": (case(state(served(2), generation(3), served(1), **FORCED, **BACK)), []),
    "previous was asked back, and its key is lost": (
        case(state(served(2), generation(3), served(1), **FORCED, **BACK), lost=LOST_PREVIOUS),
        [("promote", "next", "forced")],
    ),
}


@each(PROMOTE)
def test_promote(row: Row) -> None:
    """Next is served when that is wanted, its hold-down is over, and its certificate is good."""
    at, steps = row
    assert told(rules.promote(at)) == steps


GOOD, BAD = FileSeen("/good.pem"), FileSeen("/bad.pem", "is missing")
OTHER = FileSeen("/other.pem", "has mode 0644, should be 0600")
WRITE: dict[str, Row] = {
    "all are well": (case(state(served()), files=(GOOD,)), []),
    "two are not": (
        case(state(served()), DOUBT, files=(BAD, GOOD, OTHER)),
        [
            ("write", "/bad.pem", "/bad.pem is missing"),
            ("write", "/other.pem", "/other.pem has mode 0644, should be 0600"),
        ],
    ),
    "one holds a key that nobody knows": (
        case(state(served()), files=(CONFLICT, BAD)),
        [("write", "/bad.pem", "/bad.pem is missing")],
    ),
    "there is nothing to write yet": (case(state(None, generation(2)), files=(BAD,)), []),
    "the key is lost": (case(state(served()), files=(BAD,), **LOST), []),
    "the certificates are lost": (case(state(served()), files=(BAD,), **DAMAGED), []),
    "a file holds the next key": (case(state(served(), STANDBY), files=(BAD,), served_next="/a"), []),
}


@each(WRITE)
def test_write(row: Row) -> None:
    """A file is written when it is not as it should be, and never over a key that would be lost by it."""
    at, steps = row
    assert told(rules.write(at)) == steps


STANDS_READY = ("make-key", "next", "a next key stands ready at all times")
AGED = "the current key has been served since 2026-10-25 12:00 UTC, rotate_every 100d"
MAKE_KEY: dict[str, Row] = {
    "there is no key": (case(state(), DOUBT), [("make-key", "next", "there is no key yet")]),
    "there is no key, and a file holds one that nobody knows": (case(state(), files=(CONFLICT,)), []),
    "there is no standby": (case(state(served())), [STANDS_READY]),
    "there is no standby, doubted": (case(state(served()), DOUBT), []),
    "there is no standby, doubted and forced": (case(state(served(), **FORCED), DOUBT), [STANDS_READY]),
    "there is a standby": (case(state(served(), STANDBY)), []),
    "the standby is lost": (
        case(state(served(), STANDBY), lost=LOST_NEXT),
        [("make-key", "next", "the next key is missing from disk")],
    ),
    "the standby is of another algorithm": (
        case(state(served(), STANDBY), cert=ED25519),
        [("make-key", "next", "keys are configured as ed25519, the next has ecdsa-p256")],
    ),
    "pinned, a millisecond before a successor is made for the renewal": (
        case(state(served()), cert=PINNED, now=DUE - 7 * DAY - MS),
        [],
    ),
    "pinned, when a successor is made for the renewal": (
        case(state(served()), cert=PINNED, now=DUE - 7 * DAY),
        [("make-key", "next", EXPIRES)],
    ),
    "pinned, a millisecond before a successor is made for the rotation": (
        case(state(served(end=400)), cert=PINNED, now=OLD - 7 * DAY - MS),
        [],
    ),
    "pinned, when a successor is made for the rotation": (
        case(state(served(end=400)), cert=PINNED, now=OLD - 7 * DAY),
        [("make-key", "next", AGED)],
    ),
}


@each(MAKE_KEY)
def test_make_key(row: Row) -> None:
    """Keys that are pinned have a standby at all times; certificates a successor a hold-down before."""
    at, steps = row
    assert told(rules.make_key(at)) == steps


@pytest.mark.parametrize(
    ("before", "reuse"),
    [(state(served(start=-61, end=29)), True), (state(served(start=-61, end=29), **WANTED), False)],
    ids=["a renewal", "a rotation that is due as well"],
)
def test_successor_of_a_pinned_certificate(before: Any, reuse: bool) -> None:
    """A renewal takes the keys that are there; a rotation makes new ones, and is a renewal, too."""
    (step,) = rules.make_key(case(before, cert=PINNED))
    assert step.reuse is reuse


UNISSUED = generation(2, made=-7, start=None)
FIRST = ("issue", "next", "there is no certificate yet")
ISSUE: dict[str, Row] = {
    "there is no key": (case(state()), []),
    "the first": (case(state(None, UNISSUED), DOUBT), [FIRST]),
    "the first has its certificate": (case(state(None, generation(2))), []),
    "the first key is lost": (case(state(None, UNISSUED), lost=LOST_NEXT), []),
    "a standby that nobody wants yet": (case(state(served(), UNISSUED)), []),
    "a standby that is wanted, a millisecond too young": (
        case(state(served(), UNISSUED, **WANTED), now=NOW - MS),
        [],
    ),
    "a standby that is wanted, and old enough": (
        case(state(served(), UNISSUED, **WANTED)),
        [("issue", "next", "for the next key: a rotation was asked for")],
    ),
    "a standby that is wanted, its old certificate expired": (
        case(state(served(end=400), generation(2), **WANTED), now=END),
        [("issue", "next", "for the next key: a rotation was asked for")],
    ),
    "a standby that is wanted and ready, while current is due": (
        case(state(served(start=-61, end=29), generation(2, start=-1, end=89), **WANTED)),
        [],
    ),
    "a standby that must wait, while current is due": (
        case(state(served(), generation(2, made=29, start=None), **WANTED), now=DUE),
        [("issue", "current", EXPIRES)],
    ),
    "a standby of another algorithm": (case(state(served(), UNISSUED, **FORCED), cert=ED25519), []),
    "current is due": (case(state(served(), UNISSUED), now=DUE), [("issue", "current", EXPIRES)]),
    "current is due, and its key is lost": (case(state(served()), now=DUE, **LOST), []),
    "current is due, and previous was asked back": (
        case(state(served(2), None, served(1), **BACK), now=DUE),
        [],
    ),
    "pinned: current is due": (case(state(served()), cert=PINNED, now=DUE), []),
    "pinned: the successor is issued early": (
        case(state(served(), generation(2, made=0, start=None)), cert=PINNED),
        [("issue", "next", "for the next key: it has no certificate yet")],
    ),
    "pinned: not by a clock that is doubted": (
        case(state(served(), generation(2, made=0, start=None)), DOUBT, cert=PINNED),
        [],
    ),
    "pinned: the first": (case(state(None, UNISSUED), cert=PINNED), [FIRST]),
}


@each(ISSUE)
def test_issue(row: Row) -> None:
    """Certificates are asked for what is served or may be, and early for what is pinned by them."""
    at, steps = row
    assert told(rules.issue(at)) == steps


def gone(number: int) -> tuple[str, str | None, str]:
    return ("retire", str(number), f"generation {number} is in no slot any more")


ASIDE: dict[str, Any] = {"retired": (7, 8), "aside": {7: NOW}}
RETIRE: dict[str, Row] = {
    "nothing is retired": (case(state(served())), []),
    "two are": (case(state(served(), retired=(7, 8))), [gone(7), gone(8)]),
    "by a clock that is doubted": (case(state(served(), retired=(7,)), DOUBT), []),
    "a file could not be written": (case(state(served(), retired=(7,)), files=(BAD,)), []),
    "put aside, a millisecond before the hold-down is over": (
        case(state(served(), **ASIDE), now=NOW + 7 * DAY - MS),
        [gone(8)],
    ),
    "put aside, the moment the hold-down is over": (
        case(state(served(), **ASIDE), now=NOW + 7 * DAY),
        [gone(7), gone(8)],
    ),
}


@each(RETIRE)
def test_retire(row: Row) -> None:
    """What is in no slot goes, once nobody may pin it and no file may hold it."""
    at, steps = row
    assert told(rules.retire(at)) == steps


PHASES: dict[str, tuple[str, str, bool, int]] = {
    "rollback": ("rollback", "ca", True, steps.PHASE_FILES),
    "promote": ("promote", "ca", True, steps.PHASE_FILES),
    "write": ("write", "ca", True, steps.PHASE_FILES),
    "issue by this host": ("issue", "self-signed", True, steps.PHASE_LOCAL_ISSUE),
    "issue by somebody else": ("issue", "ca", True, steps.PHASE_ISSUE),
    "the first key, this host signs": ("make-key", "self-signed", False, steps.PHASE_LOCAL_ISSUE),
    "the first key, somebody else signs": ("make-key", "ca", False, steps.PHASE_KEYS),
    "a standby": ("make-key", "self-signed", True, steps.PHASE_KEYS),
    "retire": ("retire", "ca", True, steps.PHASE_RETIRE),
}


@each(PHASES)
def test_phase(row: tuple[str, str, bool, int]) -> None:
    """Files come first, then what this host signs; who else is asked comes late, and deleting last."""
    kind, issuer, serves, phase = row
    seen = CertificateSeen(state(served() if serves else None))
    asked = spec(CERT._replace(issuers=(issuer,)))
    assert rules.phase(asked, seen, Step(kind, "mx1", "why")) == phase


FIRST_OF_ALL: dict[str, tuple[CertificateSeen, list[str]]] = {
    "a file is bad, there is no standby, and current is due": (
        CertificateSeen(state(served(end=29, start=-61)), files=(BAD,)),
        ["write", "make-key", "issue"],
    ),
    "nothing is there": (CertificateSeen(state()), ["make-key"]),
    "all is well": (CertificateSeen(state(served(), STANDBY)), []),
    "its state cannot be read": (CertificateSeen(state(), unreadable="no permission"), []),
    "the issuer failed just now": (
        CertificateSeen(state(served(end=29, start=-61), STANDBY, failures=(failure(retry=NOW + MS),))),
        ["issue"],  # a failure of which nobody knows what it was tried with: something changed since
    ),
}


@each(FIRST_OF_ALL)
def test_one_step_at_a_time(row: tuple[CertificateSeen, list[str]]) -> None:
    """The earliest phase goes first, and what could not be done gives way to what comes behind it."""
    seen, kinds = row
    avoid: set[object] = set()
    found = []
    while (ranked := certificate_step(spec(), "mx1", seen, NOW, avoid)) is not None:
        found.append(ranked[1].kind)
        avoid.add(ranked[1].key)
    assert found == kinds


def test_what_a_step_is_about() -> None:
    """A file and a generation tell steps of one kind apart, as the journal and failures tell them."""
    one, two = (Step("retire", "mx1", "why", generation=number) for number in (1, 2))
    assert one.key != two.key
    assert [
        step.part for step in (one, Step("write", "mx1", "why", path="/a"), Step("promote", "mx1", "why"))
    ] == [
        "1",
        "/a",
        None,
    ]
    assert one.path is None
