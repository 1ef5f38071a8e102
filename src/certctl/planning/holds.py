"""What waits, until when and why; and the next moment at which a pass has something to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from certctl.planning.clock import ClockSeen
from certctl.planning.due import due_at, paused_until, renew_at, rotate_at
from certctl.planning.gate import gate, hold_until
from certctl.planning.host_rules import (
    changed_files,
    dhparam_due,
    hook_blocked,
    not_yet_seen,
    take_over,
)
from certctl.planning.observed import CertificateSeen, HookSeen, World
from certctl.planning.pins import previous_ends
from certctl.planning.retry import waits
from certctl.planning.rules import Case, promotion_reason, rotation_reason
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import CertificateState, Failure
from certctl.planning.steps import FAILED, STANDBY, WAITS, WRONG, Hold
from certctl.planning.times import after, minute_text

CLOCK = "clock"
"""Kind and subject of the hold that tells of a clock that is not believed."""
HELD = "until then nothing is promoted, retired or retracted, and no private CA is renewed"
RETRY_UNPLANNED = 60.0
"""Seconds after which what failed without a back-off (a full disk, say) is looked at again."""


def holds(spec: Spec, world: World, now: datetime, only: Collection[str] | None = None) -> Iterator[Hold]:
    """Everything that waits, certificates first, in the order of the configuration."""
    if world.clock.doubt is not None:
        yield Hold(CLOCK, CLOCK, f"{world.clock.doubt}; {HELD}", world.clock.until, STANDBY)
    for name in world.certificates:
        if only is None or name in only:
            yield from _certificate_holds(spec, world, spec.certificates[name], now)
    for name, dhparam in world.dhparams.items():
        if dhparam.unreadable is not None:
            yield Hold("dhparam", name, dhparam.unreadable, None)
        for failure in dhparam.state.failures:
            if waits(failure, now):
                yield Hold("dhparam", name, f"failed: {failure.message}", failure.retry_at, FAILED)
    for name, hook in world.hooks.items():
        yield from _hook_holds(name, hook, now)
    for name in world.announcers:
        yield from _announcer_holds(spec, world, name, now)
    for name, peer in world.peers.items() if only is None else ():
        if peer.failure is not None:
            yield Hold("write", name, f"failed: {peer.failure.message}", peer.failure.retry_at, FAILED)


def _hook_holds(name: str, hook: HookSeen, now: datetime) -> Iterator[Hold]:
    why = hook.unreadable or hook.problem
    if why is not None:
        yield Hold("hook", name, why, None, WRONG)
    elif changed_files(hook) and hook_blocked(hook, now):
        reason = f"failed with exit status {hook.state.exit_status}, attempt {hook.state.attempts}"
        yield Hold("hook", name, reason, hook.state.retry_at, FAILED)


def _announcer_holds(spec: Spec, world: World, name: str, now: datetime) -> Iterator[Hold]:
    seen = world.announcers[name]
    if seen.failure is not None and waits(seen.failure, now):
        yield Hold("announce", name, f"failed: {seen.failure.message}", seen.failure.retry_at, FAILED)
        return
    if world.clock.doubt is not None and seen.fewer:
        yield _doubted("retract", name, world.clock.doubt, world.clock)
    lacking = not_yet_seen(spec, world, name)
    for why in dict.fromkeys(seen.unseen[subject] for subject in lacking if subject in seen.unseen):
        yield Hold("announce", name, why, seen.ask_at)


def _doubted(kind: str, name: str, reason: str, clock: ClockSeen) -> Hold:
    """What waits for a clock to be believed again, which may come by itself or not."""
    return Hold(kind, name, reason, clock.until, WRONG if clock.until is None else WAITS)


def _certificate_holds(spec: Spec, world: World, cert: CertificateSpec, now: datetime) -> Iterator[Hold]:
    seen = world.certificates[cert.name]
    state = seen.state
    if seen.unreadable is not None:
        yield Hold("issue", cert.name, seen.unreadable, None)
        return
    for file in seen.conflicts:
        hint = take_over(cert.name, file.path, is_strange=file.is_strange)
        yield Hold("write", cert.name, f"{file.conflict}; {hint}", None)
    if state.waiting is not None:
        yield Hold("issue", cert.name, state.waiting.reason, state.waiting.until)
    for failure in state.failures:
        if waits(failure, now):
            yield Hold(failure.kind, cert.name, f"failed: {failure.message}", failure.retry_at, FAILED)
    if state.held is not None:
        yield Hold("promote", cert.name, state.held, None)
    yield from _explained(cert, state, now)
    yield from _paused(cert, state, now)
    doubt = world.clock.doubt
    if doubt is not None and state.retired:
        yield _doubted("retire", cert.name, doubt, world.clock)
    if state.current is None or state.next is None or state.forced:
        return
    closed = gate(cert, state.next, now, _unseen(world, cert))
    promotion = promotion_reason(Case(spec, cert, seen, now))
    if not closed.open and (promotion or closed.until is not None):
        reason = f"{promotion}, but {closed.reason}" if promotion else closed.reason
        yield Hold("promote", cert.name, reason, closed.until, WAITS if promotion else STANDBY)
    elif promotion and doubt is not None:
        yield _doubted("promote", cert.name, f"{promotion}, but {doubt}", world.clock)


def _paused(cert: CertificateSpec, state: CertificateState, now: datetime) -> Iterator[Hold]:
    """A certificate that was due for renewal when it was issued, and is used for a while."""
    current = state.current
    if current is None or current.not_after is None:
        return
    due, pause = renew_at(cert, current), paused_until(cert, current)
    if due is not None and pause is not None and due <= now < pause:
        reason = f"{current.issued_by or 'the issuer'} gave a certificate that was due for renewal"
        yield Hold("issue", cert.name, f"{reason}, {minute_text(current.not_after)}", pause)


def _explained(cert: CertificateSpec, state: CertificateState, now: datetime) -> Iterator[Hold]:
    """A renewal whose moment the CA explains (RFC 9773 §4.2), so that people learn of it before it comes."""
    advice = state.current.advice if state.current else None
    if state.current is None or advice is None or advice.explanation_url is None:
        return
    due = renew_at(cert, state.current)
    if due == advice.renew_at and due > now:
        reason = f"the CA advises this moment for its renewal, see {advice.explanation_url}"
        yield Hold("issue", cert.name, reason, due, STANDBY)


def _unseen(world: World, cert: CertificateSpec) -> dict[str, str]:
    """What keeps the pins of *cert* from being seen, by announcer."""
    reasons = {}
    for name in cert.announce:
        seen = world.announcers.get(name)
        if seen is not None and cert.name in seen.unseen:
            reasons[name] = seen.unseen[cert.name]
        elif seen is not None and seen.failure is not None:
            reasons[name] = seen.failure.message
    return reasons


def next_moment(spec: Spec, world: World, now: datetime) -> datetime | None:
    """The earliest moment after *now* at which a plan can differ from the one at *now*; None: never."""
    moments: list[datetime | None] = []
    looked: list[Mapping[str, Any]] = [world.certificates, world.dhparams, world.hooks]
    if any(seen.unreadable is not None for part in looked for seen in part.values()):
        moments.append(now + timedelta(seconds=RETRY_UNPLANNED))
    for name, seen in world.certificates.items():
        moments += _certificate_moments(spec, spec.certificates[name], seen, now)
    for name, dhparam in world.dhparams.items():
        moments.append(dhparam_due(spec.dhparams[name], dhparam))
        moments += _retries(dhparam.state.failures)
    for hook in world.hooks.values():
        if changed_files(hook):
            moments.append(hook.state.retry_at)
    for announcer in world.announcers.values():
        moments += [announcer.ask_at, announcer.due_at]
        moments.append(announcer.failure.retry_at if announcer.failure else None)
    for peer in world.peers.values():
        moments.append((peer.failure and peer.failure.retry_at) or peer.fetch_at)
    moments.append(world.clock.until)
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def _certificate_moments(
    spec: Spec, cert: CertificateSpec, seen: CertificateSeen, now: datetime
) -> list[datetime | None]:
    state = seen.state
    moments: list[datetime | None] = _retries(state.failures)
    moments.append(state.waiting.until if state.waiting else None)
    if state.current is None or seen.unreadable is not None:
        return moments
    moments += [after(at, cert.hold_down) for at in state.aside.values()]
    moments += [previous_ends(cert, state, spec.announcers[name]) for name in cert.announce]
    renewal, rotation = due_at(cert, state.current), rotate_at(cert, state.current)
    if state.held is not None:
        rotation = None
    if cert.pin == "key":
        moments += [renewal, rotation]
    elif state.next is None:
        # A successor begins a hold-down early. Once it is there, only its own clocks count.
        early = timedelta(seconds=cert.hold_down)
        moments += [moment - early for moment in (renewal, rotation) if moment is not None]
    else:
        # And whether it comes too late: that is to be told.
        moments += [due_at(cert, state.next), state.current.not_after]
    advice = state.current.advice
    moments.append(advice.check_at if advice is not None else state.current.ask_advice_at)
    if state.next is not None and (rotation_reason(Case(spec, cert, seen, now)) or state.next.issuance):
        moments.append(hold_until(cert, state.next))
    return moments


def _retries(failures: tuple[Failure, ...]) -> list[datetime | None]:
    return [f.retry_at or f.at + timedelta(seconds=RETRY_UNPLANNED) for f in failures]
