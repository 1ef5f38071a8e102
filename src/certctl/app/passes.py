"""plan, run, and the verbs that ask for something and then run a pass."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from certctl.app import wiring
from certctl.app.lease import Lease
from certctl.app.names import certificates, known
from certctl.engine.observing import Observer
from certctl.engine.outcome import Event, Failed, Report
from certctl.engine.ports import Adapters, Progress
from certctl.errors import CertctlError, LockedError, UsageError
from certctl.planning import transitions
from certctl.planning.clock import Mark, Marks
from certctl.planning.gate import gate, kept_until
from certctl.planning.host_rules import dhparam_steps
from certctl.planning.observed import CertificateSeen, World
from certctl.planning.plan import idle
from certctl.planning.plan import plan as make_plan
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import CertificateState, Generation
from certctl.planning.steps import Plan, Step
from certctl.planning.times import after, duration_text, minute_text
from certctl.store import atomic, belonging
from certctl.store.layout import Layout
from certctl.system import clocks, person, surprise

DEFAULT_WAIT = 30.0


class Options(NamedTuple):
    """How a pass is run."""

    wait: float = DEFAULT_WAIT
    """Seconds to wait for the lock."""
    verify: bool = False
    """Compare every file's content, whatever its stamp says."""
    report: Report = wiring.silent
    progress: Progress | None = None
    """Called with the progress of a search for DH parameters."""
    stop: Callable[[], bool] = lambda: False
    """Asked between steps: True ends the pass after the step in hand."""
    accept_clock: bool = False
    """Whether a person says that the time is right, though it jumped."""
    dhparam: bool = True
    """Whether DH parameters are made when they are due."""
    replace_unknown: tuple[str, ...] = ()
    """Certificates in whose files keys that the state does not have may be replaced: they are given up."""


class Ran(NamedTuple):
    """What a pass did, and what the plan says afterwards."""

    done: list[Step]
    failed: list[Failed]
    world: World
    plan: Plan


def observe(spec: Spec, *, verify: bool = False) -> World:
    """Look at everything; nothing is changed but the cache of stamps, if that may be written."""
    adapters = wiring.adapters(spec, verify=verify)
    return Observer(spec, adapters).look()


def plan(spec: Spec, names: Collection[str] = (), *, verify: bool = False) -> Plan:
    """What a pass would do now. Raises CertctlError where it would refuse."""
    known(spec, names)
    belonging.check(Layout(spec.state_dir), spec.path)
    return make_plan(spec, observe(spec, verify=verify), wiring.clock(), names or None)


def run(spec: Spec, names: Collection[str] = (), options: Options = Options()) -> Ran:  # noqa: B008
    """One pass. DH parameters are made last, without the lock, and kept by a short pass of their own."""
    known(spec, names)
    certificates(spec, options.replace_unknown)
    only = frozenset(names) or None
    with locked(spec, options.wait) as lease:
        ran, deferred = _pass(spec, only, options, lease)
    for step in deferred if options.dhparam and not options.stop() else ():
        later = _make_dhparam(spec, only, options, step)
        if later is not None:
            done, failed = ran.done + later.done, ran.failed + later.failed
            ran = later._replace(done=done, failed=failed)
    return ran


def _pass(
    spec: Spec,
    only: frozenset[str] | None,
    options: Options,
    lease: Lease,
    before: Callable[[Adapters], None] | None = None,
) -> tuple[Ran, list[Step]]:
    from certctl.engine.engine import Engine

    adapters = wiring.adapters(
        spec,
        options.report,
        verify=options.verify,
        replace_unknown=options.replace_unknown,
        stop=options.stop,
        lease=lease,
    )
    adapters.store.prepare()
    if options.accept_clock:
        now = adapters.clock()
        adapters.store.keep_clock_marks(Marks(Mark(now, clocks.boot(), clocks.uptime())))
        adapters.store.journal(now, "clock-accepted", "clock")
    if before is not None:
        before(adapters)
    engine = Engine(spec, adapters)
    outcome = engine.run(only)
    # A pass that met nothing to do has just walked the plan to its end.
    look = make_plan if any(outcome) else idle
    after = look(spec, engine.world, adapters.clock(), only)
    return Ran(outcome.done, outcome.failed, engine.world, after), outcome.deferred


def _make_dhparam(spec: Spec, only: frozenset[str] | None, options: Options, step: Step) -> Ran | None:
    """Search without the lock, so that a person's command need not wait; None: somebody else does it."""
    from certctl.engine.engine import Engine

    dhparam = spec.dhparams[step.subject]
    try:
        with locked(spec, 0, dhparam=True):
            adapters = wiring.adapters(spec, options.report, stop=options.stop)
            seen = adapters.store.observe_dhparam(dhparam)
            due = [found for found in dhparam_steps(dhparam, seen, adapters.clock()) if found.key == step.key]
            if not due:
                return None
            options.report(Event(step.subject, f"making {dhparam.bits}-bit DH parameters: {step.reason}"))
            error, data = None, b""
            try:
                data = adapters.make_dhparam(dhparam, options.progress)
            except Exception as failure:  # noqa: BLE001
                if options.stop():
                    return None
                error = surprise.told(failure)
            with locked(spec, options.wait) as lease:
                engine = Engine(spec, wiring.adapters(spec, options.report, stop=options.stop, lease=lease))
                if error is not None:
                    engine.fail_dhparam(step, error)
                else:
                    engine.keep_dhparam(step, data)
                outcome = engine.run(only)
                after = make_plan(spec, engine.world, adapters.clock(), only)
                return Ran(outcome.done, outcome.failed, engine.world, after)
    except LockedError as error:
        if error.path != Layout(spec.state_dir).dhparam_lock:
            raise
        options.report(Event(step.subject, "another certctl is making these DH parameters", "detail"))
        return None


def rotate(
    spec: Spec,
    names: Sequence[str],
    *,
    force: bool = False,
    abort: bool = False,
    compromised: bool = False,
    again: bool = False,
    options: Options = Options(),  # noqa: B008
) -> Ran:
    """Ask for a rotation (or drop one) and run a pass; *compromised*: the current key is believed no more.

    *again*: what `loses` tells has been agreed to; a forced rotation that loses a key is refused otherwise.
    """
    certificates(spec, names)

    def wish(state: CertificateState) -> CertificateState:
        lost = _lost(spec.certificates[state.name], state, wiring.clock())
        if force and not compromised and not again and lost:
            raise CertctlError(
                lost,
                f"certctl rollback {state.name} brings generation {_number(state.previous)} back; "
                f"if it must be: certctl rotate --force --yes {state.name}",
                transient=False,
            )
        state = transitions.without_failure(state, "issue")._replace(waiting=None)
        if abort:
            return transitions.aborted(state, wiring.clock())
        if compromised:
            return transitions.compromised(state, "current")._replace(rollback_wanted=False)
        rotation = "forced" if force else "wanted"
        return state._replace(rotation=rotation, held=None, rollback_wanted=False)

    event = "rotation-aborted" if abort else "rotation-forced" if force else "rotation-wanted"
    event = "key-compromised" if compromised else event
    return ask(spec, names, wish, event, options)


def renew(spec: Spec, names: Sequence[str], options: Options = Options()) -> Ran:  # noqa: B008
    """New certificates for the same keys, now."""
    certificates(spec, names)

    def wish(state: CertificateState) -> CertificateState:
        state = transitions.without_failure(state, "issue")._replace(waiting=None)
        return state._replace(renewal_wanted=state.current is not None)

    return ask(spec, names, wish, "renewal-wanted", options)


def ack(spec: Spec, name: str, peer: str, options: Options = Options()) -> Ran:  # noqa: B008
    """Record that *peer* has taken the pins of the next generation, and run a pass."""
    certificates(spec, [name])
    asked = spec.certificates[name].require_ack
    if peer not in asked:
        there = ", ".join(asked) or "nobody (require_ack is empty)"
        raise UsageError(f"{name} does not wait for {peer}", f"it waits for: {there}")

    def wish(state: CertificateState) -> CertificateState:
        if state.next is None:
            raise CertctlError(f"{name} has no next generation that could be acknowledged", transient=False)
        acks = {**state.next.acks, peer: wiring.clock()}
        return state._replace(next=state.next._replace(acks=acks))

    return ask(spec, [name], wish, f"acknowledged by {peer}", options)


def breaks(spec: Spec, names: Collection[str], *, compromised: bool = False) -> list[str]:
    """Whose pins a forced rotation breaks now, a line each; empty where the gate is open."""
    return [
        line
        for cert, state, now in _standing(spec, names, compromised)
        if state.next is None or not gate(cert, state.next, now).open
        for line in _broken(cert, state, now)
    ]


def knows(spec: Spec, names: Collection[str], *, compromised: bool = False) -> list[str]:
    """Who has the next pin already, so that a forced rotation does them no harm, a line each."""
    standing = _standing(spec, names, compromised)
    return [line for cert, state, now in standing for line in _prepared(cert, state, now)]


def loses(spec: Spec, names: Collection[str]) -> list[str]:
    """What a forced rotation now takes away for good, a line each: a key that was served only just."""
    lines = [_lost(cert, state, now) for cert, state, now in _standing(spec, names)]
    return [line for line in lines if line is not None]


def _lost(cert: CertificateSpec, state: CertificateState, now: datetime) -> str | None:
    until = kept_until(cert, state, now)
    if until is None or state.current is None or state.current.promoted_at is None:
        return None
    return (
        f"generation {state.current.number} of {cert.name} is served only since "
        f"{minute_text(state.current.promoted_at)}: a rotation forced now removes it, as generation "
        f"{_number(state.previous)}, which peers knew before, stays for a rollback until {minute_text(until)}"
    )


def _number(generation: Generation | None) -> int:
    return generation.number if generation else 0


def _standing(
    spec: Spec, names: Collection[str], compromised: bool = False
) -> Iterator[tuple[CertificateSpec, CertificateState, datetime]]:
    """The certificates that are served; *compromised*: as they stand without the key that is served."""
    certificates(spec, names)
    adapters = wiring.adapters(spec)
    now = adapters.clock()
    for name in names:
        cert = spec.certificates[name]
        state = adapters.store.observe_certificate(cert, now).state
        if state.current is not None:
            yield cert, transitions.compromised(state, "current") if compromised else state, now


def _broken(cert: CertificateSpec, state: CertificateState, now: datetime) -> Iterator[str]:
    generation = state.next
    if generation is None:
        yield f"{cert.name}: whoever pins it breaks: the next key is made only now, and nobody has been told"
        return
    for peer in cert.require_ack:
        if peer not in generation.acks:
            yield f"{cert.name}: {peer} has not acknowledged the next pin: its mail will be deferred"
    for name in cert.announce:
        observation = generation.seen.get(name)
        if observation is None:
            yield f"{cert.name}: who follows {name} has not been told the next pin: their pins break"
        elif now < after(observation.at, max(cert.hold_down, observation.wait)):
            ago = duration_text((now - observation.at).total_seconds())
            yield f"{cert.name}: who follows {name} has been told only {ago} ago, hold-down {_hold(cert)}"
    if not cert.announce:
        ago = duration_text((now - generation.made_at).total_seconds())
        yield (
            f"{cert.name}: whoever pins it by hand breaks, unless they took the next pin, "
            f"which exists since {ago} (certctl fingerprints {cert.name})"
        )


def _prepared(cert: CertificateSpec, state: CertificateState, now: datetime) -> Iterator[str]:
    generation = state.next
    if generation is None:
        return
    for peer in cert.require_ack:
        if peer in generation.acks:
            yield f"{cert.name}: {peer} has acknowledged the next pin"
    for name in cert.announce:
        observation = generation.seen.get(name)
        if observation is not None and now >= after(observation.at, max(cert.hold_down, observation.wait)):
            yield f"{cert.name}: who follows {name} has been told the next pin {minute_text(observation.at)}"


def _hold(cert: CertificateSpec) -> str:
    return duration_text(cert.hold_down)


def ask(
    spec: Spec,
    names: Sequence[str],
    wish: Callable[[CertificateState], CertificateState],
    event: str,
    options: Options,
) -> Ran:
    """Keep a wish in the state of each certificate, then run a pass for them."""

    def keep(adapters: Adapters) -> None:
        now = adapters.clock()
        wished = []
        for name in names:
            seen: CertificateSeen = adapters.store.observe_certificate(spec.certificates[name], now)
            if seen.unreadable is not None:
                raise CertctlError(seen.unreadable)
            if seen.recovered is not None:
                adapters.store.repair_state(seen, now)
            wished.append(wish(seen.state))
        failures = adapters.store.commit([adapters.store.new_state(state) for state in wished])
        for state, failure in zip(wished, failures, strict=True):
            if failure is not None:
                raise failure
            adapters.store.journal(now, event, state.name, by=person.name())

    with locked(spec, options.wait) as lease:
        ran, _ = _pass(spec, frozenset(names), options, lease, keep)
    return ran


@contextlib.contextmanager
def locked(spec: Spec, wait: float, *, dhparam: bool = False) -> Iterator[Lease]:
    """Hold the lock of the state directory, which is made if need be; gives the hold on it."""
    from certctl.store.lock import lock

    layout = Layout(spec.state_dir)
    path = layout.dhparam_lock if dhparam else layout.lock
    atomic.make_directory(os.path.dirname(path))
    lease = Lease(partial(lock, path))
    with lease.held(wait):
        yield lease
