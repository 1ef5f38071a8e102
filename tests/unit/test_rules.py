"""The rules of one certificate, a table each: what is asked for, and the reason that is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from certctl.core import effects, rules
from certctl.core.basis import waits
from certctl.core.clock import ClockSeen
from certctl.core.holds import condition, holds, next_moment
from certctl.core.model import (
    Advice,
    CertificateRecord,
    CertificateState,
    Failure,
    Generation,
    HookState,
    KeyRecord,
    Sighting,
)
from certctl.core.observed import AnnouncerSeen, CertificateSeen, FileSeen, HookSeen, World
from certctl.core.others import announce_step, hook_blocked
from certctl.core.planner import MOST_IN_A_PASS, foresee, walk
from certctl.core.spec import DAY as DAY_SECONDS
from certctl.core.spec import AnnouncerSpec, CertificateSpec, HookSpec, IssuerSpec, Spec
from certctl.core.steps import Step
from certctl.core.when import due_at, paused_until

NOW = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
CERT = CertificateSpec(
    "mx1", ("mx1.example",), issuers=("ca",), rotate_every=100 * DAY_SECONDS, hold_down=7 * DAY_SECONDS
)
SPEC = Spec("certctl.toml", issuers={"ca": IssuerSpec("ca", "command")}, certificates={"mx1": CERT})
DOUBT = "the clock went from A to B"
MISSING: Any = object()


def generation(
    number: int,
    made: float = -30,
    start: float | None = -30,
    end: float = 60,
    *,
    issued: float | None = MISSING,
    **more: Any,
) -> Generation:
    """A generation by days from now: its making, the lifetime of its certificate, its issuance."""
    record = None
    if start is not None:
        record = CertificateRecord(f"cert {number}", "", "", "", NOW + start * DAY, NOW + end * DAY)
        at = start if issued is MISSING else issued
        more = {"issuance": 1, "issued_by": "ca", "names": CERT.names, **more}
        more["issued_at"] = None if at is None else NOW + at * DAY
    return Generation(
        number, NOW + made * DAY, (KeyRecord("ecdsa-p256", f"key {number}", "", "", record),), **more
    )


def served(number: int = 1, since: float = -30, **more: Any) -> Generation:
    moment = NOW + since * DAY
    return generation(number, **{"promoted_at": moment, "rotates_from": moment, **more})


def case(
    state: CertificateState, doubt: str | None = None, cert: CertificateSpec = CERT, **seen: Any
) -> rules.Case:
    return rules.case_of(SPEC, cert, CertificateSeen(state, **seen), NOW, doubt)


def state(current: Generation | None, following: Generation | None = None, **more: Any) -> CertificateState:
    return CertificateState("mx1", current, following, last_number=2, **more)


ROTATION: dict[str, tuple[CertificateState, str | None, str | None]] = {
    "young": (state(served()), None, None),
    "old": (
        state(served(since=-101)),
        None,
        "the current key has been served since 2026-08-15 12:00 UTC, rotate_every 100d",
    ),
    "old by a clock that is doubted": (state(served(since=-101)), DOUBT, None),
    "asked for, doubted": (state(served(), rotation="wanted"), DOUBT, "a rotation was asked for"),
    "forced, doubted": (state(served(), rotation="forced"), DOUBT, "forced"),
}


@pytest.mark.parametrize("what", ROTATION)
def test_rotation_wish(what: str) -> None:
    """By age a key gives way only if the clock is believed; what a person asks for does not depend on it."""
    before, doubt, reason = ROTATION[what]
    assert rules.rotation_wish(case(before, doubt)) == reason


RENEWAL: dict[str, tuple[Generation, str | None, str | None]] = {
    "young": (served(), None, None),
    "due": (served(start=-61, end=29), None, "it expires 2026-12-23 12:00 UTC"),
    "due, doubted": (served(start=-61, end=29), DOUBT, "it expires 2026-12-23 12:00 UTC"),
    "expired": (served(start=-91, end=-1), None, "it expired 2026-11-23 12:00 UTC"),
    "not valid yet": (
        served(start=2, end=92, issued=-1),
        None,
        "it is not valid before 2026-11-26 12:00 UTC",
    ),
    "not valid yet, doubted": (served(start=2, end=92), DOUBT, None),
    "issued ahead": (
        served(issued=400, end=500),
        None,
        "it was issued by a clock that was ahead, 2027-12-29 12:00 UTC",
    ),
    "issued ahead, doubted": (served(issued=400, end=500), DOUBT, None),
    "issued a little ahead": (served(issued=0.5), None, None),
    "due when it was issued": (served(start=-80, end=10, issued=-0.5), None, None),
    "a day later": (served(start=-80, end=10, issued=-1.1), None, "it expires 2026-12-04 12:00 UTC"),
    "advised just after": (
        served(issued=-0.02, advice=Advice(NOW - DAY, NOW - DAY, NOW, NOW)),
        None,
        None,
    ),
    "advised": (
        served(issued=-0.1, advice=Advice(NOW - DAY, NOW - DAY, NOW, NOW)),
        None,
        "it expires 2027-01-23 12:00 UTC; the CA advises 2026-11-23 12:00 UTC",
    ),
}


@pytest.mark.parametrize("what", RENEWAL)
def test_renewal_wish(what: str) -> None:
    """What time asks for, what a wrong clock has left, and how long an issuance is left alone."""
    current, doubt, reason = RENEWAL[what]
    assert rules.renewal_wish(case(state(current), doubt), current) == reason
    steps = list(rules.issue(case(state(current), doubt)))
    assert [step.reason for step in steps] == ([reason] if reason else [])


def test_a_pause_ends() -> None:
    """The moment at which a renewal comes after its pause is the one that is planned, and it is told."""
    current = served(start=-80, end=10, issued=0)
    pause = NOW + DAY
    assert paused_until(CERT, current) == due_at(CERT, current) == pause
    world = seen_world(state(current, generation(2, start=None)))
    assert next_moment(SPEC, world, NOW) == pause
    (hold,) = [one for one in holds(SPEC, world, NOW) if one.kind == "issue"]
    assert hold.until == pause
    assert hold.reason == "ca gave a certificate that was due for renewal, 2026-12-04 12:00 UTC"


PROMOTION: dict[str, tuple[CertificateState, str | None, str | None]] = {
    "wanted, open": (state(served(), generation(2), rotation="wanted"), None, "a rotation was asked for"),
    "wanted, open, doubted": (state(served(), generation(2), rotation="wanted"), DOUBT, None),
    "forced, doubted": (state(served(), generation(2, made=0), rotation="forced"), DOUBT, "forced"),
    "the first, doubted": (state(None, generation(2)), DOUBT, "it is the first, which nobody can pin yet"),
    "wanted, held": (state(served(), generation(2, made=-1), rotation="wanted"), None, None),
}


@pytest.mark.parametrize("what", PROMOTION)
def test_promote(what: str) -> None:
    """By a clock that is not believed nothing is promoted but the first and what is forced; that is told."""
    before, doubt, reason = PROMOTION[what]
    assert [step.reason for step in rules.promote(case(before, doubt))] == ([reason] if reason else [])
    if doubt and reason is None:
        told = [hold for hold in holds(SPEC, seen_world(before, doubt), NOW) if hold.kind == "promote"]
        assert [(hold.reason, hold.wrong) for hold in told] == [
            (f"a rotation was asked for, but {DOUBT}", True)
        ]
        assert condition(SPEC, CERT, CertificateSeen(before), NOW, False, doubt) == "held"


@pytest.mark.parametrize(("doubt", "number"), [(None, 1), (DOUBT, 0)])
def test_retire(doubt: str | None, number: int) -> None:
    """Nothing is deleted by a clock that is not believed."""
    found = [step.reason for step in rules.retire(case(state(served(), retired=(7,)), doubt))]
    assert found == ["generation 7 is in no slot any more"] * number


@pytest.mark.parametrize(("doubt", "kind"), [(None, "retract"), (DOUBT, None)])
def test_retract(doubt: str | None, kind: str | None) -> None:
    """Nothing is taken back from peers by a clock that is not believed."""
    spec = SPEC._replace(announcers={"feed": AnnouncerSpec("feed", "feed")})
    world = seen_world(state(served()), doubt)
    world.announcers["feed"] = AnnouncerSeen({"mx1": "one"}, {"mx1": "two"}, fewer=frozenset({"mx1"}))
    step = announce_step(spec, world, "feed", NOW)
    assert (step and step.kind) == kind


@pytest.mark.parametrize(
    ("at", "retry", "blocked"), [(-1, 1, True), (0, 1, True), (-2, -1, False), (29, 30, False), (1, 2, False)]
)
def test_back_off(at: float, retry: float, blocked: bool) -> None:
    """A back-off stands from its beginning to its end; one that begins ahead of now is over."""
    failure = Failure("issue", "mx1", "no", None, NOW + at * DAY, 1, NOW + retry * DAY)
    assert waits(failure, NOW) is blocked
    hook = HookSeen(HookState("reload", last_run=NOW + at * DAY, attempts=1, retry_at=NOW + retry * DAY))
    assert hook_blocked(hook, NOW) is blocked


@pytest.mark.parametrize(
    ("wish", "most", "seconds"),
    [
        (None, None, 60),
        (3600, None, 3600),
        (3600, 1800, 1800),
        (3600, 5, 60),
        (1e12, 43200, 43200),
        (30, 1800, 60),
    ],
)
def test_wish_of_the_other_side(wish: float | None, most: float | None, seconds: float) -> None:
    """Retry-After is obeyed beyond the back-off, but no longer than is allowed for."""
    assert effects.back_off(1, 60, 3600, NOW, wish, most) == NOW + timedelta(seconds=seconds)


def test_put_in_time() -> None:
    """Of what lies more than a day ahead hold-downs and rotations begin anew; the rest stays."""
    ahead, before = NOW + 400 * DAY, NOW - 5 * DAY
    seen = {"feed": Sighting(ahead, 60.0), "dns": Sighting(before)}
    old = state(served(since=400), generation(2, made=400, start=None, seen=seen, acks={"peer": ahead}))
    new = effects.in_time(old, NOW)
    assert new.current is not None
    assert new.next is not None
    assert (new.current.promoted_at, new.current.rotates_from) == (NOW, NOW)
    assert (new.next.made_at, new.next.acks) == (NOW, {"peer": NOW})
    assert new.next.seen == {"feed": Sighting(NOW, 60.0), "dns": Sighting(before)}
    assert effects.in_time(new, NOW) is new


# Walking the plan


def seen_world(before: CertificateState, doubt: str | None = None, **seen: Any) -> World:
    return World({"mx1": CertificateSeen(before, **seen)}, {}, {}, {}, {}, {}, ClockSeen(doubt))


def walked(spec: Spec, world: World, do: Any) -> tuple[list[Step], list[Step]]:
    """The steps that were done, and those that had no effect, where *do* is all that happens."""
    done: list[Step] = []
    failed: list[Step] = []
    avoid: set[object] = set()

    def apply(batch: Sequence[Step]) -> None:
        for step in batch:
            done.append(step)
            do(step)

    def without_effect(step: Step) -> None:
        failed.append(step)
        avoid.add(step.key)

    walk(spec, world, lambda: NOW, apply, avoid, without_effect)
    return done, failed


@pytest.mark.parametrize(
    ("before", "files", "kinds"),
    [
        (state(served(start=-80, end=10), generation(2, start=None)), (), ["issue"]),
        (state(served(), generation(2), rotation="forced"), (), ["promote"]),
        (state(served()), (), ["make-key"]),
        (state(served(), generation(2), retired=(7, 8)), (), ["retire", "retire"]),
        (
            state(served(), generation(2)),
            (FileSeen("/a", "is missing"), FileSeen("/b", "is missing")),
            ["write", "write"],
        ),
    ],
)
def test_no_effect(before: CertificateState, files: tuple[FileSeen, ...], kinds: list[str]) -> None:
    """A step that changes nothing is done once, has failed then, and the walk ends."""
    done, failed = walked(SPEC, seen_world(before, files=files), lambda _: None)
    assert [step.kind for step in done] in (kinds, kinds[:1])
    assert sorted(step.kind for step in failed)[-1:] == kinds[-1:]


def test_one_issue_for_one_generation() -> None:
    """However the state changes by what an issuer gives: in one pass a generation is issued for once."""
    world = seen_world(state(served(start=-80, end=10, issued=-20), generation(2, start=None)))

    def give(_: Step) -> None:
        old = world.certificates["mx1"]
        assert old.state.current is not None
        new = old.state.current._replace(issuance=old.state.current.issuance + 1)
        world.certificates["mx1"] = old._replace(state=old.state._replace(current=new))

    done, failed = walked(SPEC, world, give)
    assert len(done) == len(failed) == 1


def test_hook_that_is_never_done() -> None:
    """A hook that changes what it follows runs a few times, has failed then, and others go on."""
    spec = SPEC._replace(hooks={"reload": HookSpec("reload"), "other": HookSpec("other")})
    world = seen_world(state(served(), generation(2)))
    world.hooks.update({name: HookSeen(HookState(name), {"/a": "0"}) for name in spec.hooks})

    def run(step: Step) -> None:
        seen = world.hooks[step.subject]
        again = {"/a": f"{int(seen.files['/a']) + 1}"} if step.subject == "reload" else seen.files
        delivered = seen.state._replace(delivered=dict(seen.files))
        world.hooks[step.subject] = seen._replace(state=delivered, files=again)

    done, failed = walked(spec, world, run)
    assert [step.subject for step in done].count("reload") == MOST_IN_A_PASS
    assert [step.subject for step in done].count("other") == 1
    assert [step.subject for step in failed] == ["reload"]


def test_foreseen_once() -> None:
    """The plan foresees what an issuer should give: it holds no step twice for the same thing."""
    steps, _ = foresee(SPEC, seen_world(CertificateState("mx1")), NOW)
    keys = [(step.key, step.reason) for step in steps]
    assert len(keys) == len(set(keys))
