"""Every combination of what a certificate may be like: its plan ends, leaves nothing, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from certctl.planning.foresight import assume
from certctl.planning.observed import AnnouncerSeen, FileSeen, HookSeen, World
from certctl.planning.plan import plan
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, FileSpec, HookSpec, Spec
from certctl.planning.state import HookState
from certctl.planning.steps import WRONG, Step
from tests.unit.planning_cases import (
    CERT,
    DOUBT,
    NOW,
    PINNED,
    generation,
    served,
    spec,
    state,
    walked,
    world,
)

# Every combination of what a certificate may be like

CURRENT = {
    "none": None,
    "young": served(),
    "due": served(start=-70, end=20),
    "expired": served(start=-95, end=-5),
}
NEXT = {
    "none": None,
    "fresh": generation(2, made=-1, start=None),
    "known": generation(2, made=-9, start=None),
    "issued": generation(2, made=-9, start=-8, end=80),
}
WISHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a rotation": {"rotation": "wanted"},
    "a forced one": {"rotation": "forced"},
    "a renewal": {"renewal_wanted": True},
    "a rollback": {"rollback_wanted": True},
    "a held one": {"held": "look first, then: certctl rotate mx1"},
}
PREVIOUS = {"none": None, "kept": served(0, since=-60, made=-90)}
TROUBLE: dict[str, dict[str, Any]] = {
    "none": {},
    "a lost key": {"lost": frozenset({"current"})},
    "a lost standby": {"lost": frozenset({"next"})},
    "lost certificates": {"damaged": frozenset({"current", "previous"})},
}
FILES = (FileSeen("/live", hooks=("reload",)), FileSeen("/mx1.pem", "is missing", hooks=("reload",)))


def combinations(cert: CertificateSpec, doubt: str | None) -> Iterator[tuple[Spec, World]]:
    asked = spec(
        cert._replace(announce=("feed",), files=(FileSpec("/mx1.pem", hooks=("reload",)),)),
        AnnouncerSpec("feed", "feed"),
        hooks={"reload": HookSpec("reload")},
    )
    for current, following, previous, wish, trouble in product(
        CURRENT.values(), NEXT.values(), PREVIOUS.values(), WISHES.values(), TROUBLE.values()
    ):
        if current is None and (previous or wish):
            continue
        slots = {"current": current, "next": following, "previous": previous}
        seen: dict[str, Any] = {
            field: frozenset(slot for slot in which if slots[slot]) for field, which in trouble.items()
        }
        host = world(
            state(current, following, previous, **wish),
            doubt,
            files=FILES,
            announcers={"feed": AnnouncerSeen({"mx1": "new"}, {"mx1": "old"})},
            **seen,
        )
        host.hooks["reload"] = HookSeen(HookState("reload"), {"/mx1.pem": "old"})
        yield asked, host


def looked_at(host: World, step: Step) -> object:
    """What *step* is done for."""
    parts: dict[str, dict[str, Any]] = {
        "certificate": host.certificates,
        "hook": host.hooks,
        "announcer": host.announcers,
    }
    found: object = parts[step.scope][step.subject]
    return found


@pytest.mark.parametrize("cert", [CERT, PINNED], ids=["keys are pinned", "certificates are pinned"])
@pytest.mark.parametrize("doubt", [None, DOUBT], ids=["", "doubted"])
def test_every_combination(cert: CertificateSpec, doubt: str | None) -> None:
    """Plans end, hold no step again where nothing changed, leave no work, and hold nothing without an end.

    An end is a moment to come, an act that the reason names, the announcer that has yet to show a pin,
    or that the clock is believed again: that has a hold of its own.
    """
    count = 0
    for asked, host in combinations(cert, doubt):
        count += 1
        made, after, before = plan(asked, host, NOW), host.copy(), list[object]()

        def do(step: Step, asked: Spec = asked, after: World = after, before: list[object] = before) -> None:
            facts = (step.key, looked_at(after, step))
            assert facts not in before, step
            before.append(facts)
            assume(asked, after, step, NOW)

        done, failed = walked(asked, after, do)
        assert tuple(done) == made.steps
        assert not failed
        assert plan(asked, after, NOW).steps == ()
        for hold in made.holds:
            ends = hold.until is not None and hold.until > NOW
            shown_by_others = "not been seen through" in hold.reason
            by_the_clock = doubt is not None and (hold.kind == "clock" or "not made yet" in hold.reason)
            assert (
                ends or hold.state == WRONG or "certctl " in hold.reason or shown_by_others or by_the_clock
            ), hold
        assert made.next_pass_at is None or made.next_pass_at > NOW
    assert count > 500
