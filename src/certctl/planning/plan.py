"""The plan: what would bring what was seen to what is configured, in the order of a pass.

`walk` is the one driver: the engine applies each batch of steps for real, and the
plan assumes that each succeeds. So `certctl plan` cannot drift from `certctl run`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

from certctl.planning.foresight import assume
from certctl.planning.host_rules import announce_step, dhparam_steps, hook_blocked, hook_step, map_step
from certctl.planning.observed import CertificateSeen, World
from certctl.planning.retry import blocked, waits
from certctl.planning.rules import RULES, case_of, phase
from certctl.planning.spec import Spec
from certctl.planning.steps import (
    PHASE_ANNOUNCE,
    PHASE_DHPARAM,
    PHASE_FILES,
    PHASE_HOOKS,
    PHASE_ISSUE,
    Plan,
    Step,
)

Apply = Callable[[Sequence[Step]], None]
Tried = dict[object, tuple[int, object]]
"""Key of a step -> how often it was done in this pass, and what for the last time."""

MOST_IN_A_PASS = 10
"""Times that one step is done in one pass, each for something new: a hook for several files, say."""


def certificate_step(
    spec: Spec,
    name: str,
    seen: CertificateSeen,
    now: datetime,
    avoid: Collection[object] = (),
    doubt: str | None = None,
) -> tuple[int, Step] | None:
    """The first thing that *name* needs and that may be done now, with its phase."""
    if seen.unreadable is not None:
        return None
    case = case_of(spec, spec.certificates[name], seen, now, doubt)
    best: tuple[int, Step] | None = None
    for rule in RULES:
        for step in rule(case):
            rank = phase(spec, seen, step)
            if (best is None or rank < best[0]) and not blocked(spec, seen.state, step, now):
                if avoid and step.key in avoid:
                    continue
                best = (rank, step)
    return best


def walk(
    spec: Spec,
    world: World,
    clock: Callable[[], datetime],
    apply: Apply,
    avoid: Collection[object],
    without_effect: Callable[[Step], None],
    *,
    tried: Tried | None = None,
    only: Collection[str] | None = None,
    before_network: Callable[[], None] | None = None,
    last: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Call *apply* with batch after batch until nothing is left to do.

    *apply* changes *world*; what it could not do it adds to *avoid*. Steps of one
    batch are of the same phase and touch different things, so they may be done
    concurrently. The earliest phase that has work always goes first.
    A step has an effect or has failed: one that comes again though nothing changed for
    it, or more often than any pass needs, is given to *without_effect*, which adds it to
    *avoid*, and the others go on. *tried* carries from one walk of a pass to the next what
    was done. *before_network* is called once, when all local work is done; the walk ends
    before phases that come after *last*; *stop* is asked before each batch, and ends it, too.
    """
    ready: dict[str, tuple[int, Step] | None] = {}
    basis: dict[str, CertificateSeen] = {}
    tried = {} if tried is None else tried
    doubt = world.clock.doubt
    while True:
        now = clock()
        for name, seen in world.certificates.items():
            if basis.get(name) is not seen or (ready[name] and ready[name][1].key in avoid):  # type: ignore[index]
                basis[name] = seen
                skip = only is not None and name not in only
                ready[name] = None if skip else certificate_step(spec, name, seen, now, avoid, doubt)
        rank, batch = _first_batch(spec, world, now, avoid, ready, only)
        if before_network is not None and (not batch or rank >= PHASE_ISSUE):
            before_network()
            before_network = None
            continue
        if not batch or stop() or (last is not None and rank > last):
            return
        again = [step for step in batch if not _is_new(world, step, tried)]
        for step in again:
            without_effect(step)
        if len(again) < len(batch):
            apply([step for step in batch if step not in again])


def _is_new(world: World, step: Step, tried: Tried) -> bool:
    """Whether *step* may change something, as far as what was done in this pass tells; it is counted then."""
    times, before = tried.get(step.key, (0, None))
    facts = _facts(world, step)
    if times >= MOST_IN_A_PASS or (times and facts is not None and facts == before):
        return False
    tried[step.key] = (times + 1, facts)
    return True


def _facts(world: World, step: Step) -> object:
    """What a step is done for: while that stays, it is not done again; None: that cannot be told.

    A certificate is asked for once for a generation, whatever the issuer gives. A hook that ran
    has run, and an announcer may be asked whether its pins can be seen by now.
    """
    if step.scope == "certificate":
        seen = world.certificates[step.subject]
        generation = seen.state.slot(step.slot) if step.kind == "issue" and step.slot else None
        if generation is not None:
            return generation.number
        return seen._replace(state=seen.state._replace(failures=()))
    if step.scope == "dhparam":
        return world.dhparams[step.subject][1:]
    return world.maps[step.subject] if step.scope == "map" else None


def _first_batch(
    spec: Spec,
    world: World,
    now: datetime,
    avoid: Collection[object],
    ready: dict[str, tuple[int, Step] | None],
    only: Collection[str] | None,
) -> tuple[int, list[Step]]:
    ranked = [found for found in ready.values() if found is not None]
    dhparams = list(_dhparam_steps(spec, world, now, avoid, only))
    quick = [
        step for step in dhparams if step.kind == "write" or spec.dhparams[step.subject].source == "ffdhe"
    ]
    first = min((rank for rank, _ in ranked), default=PHASE_DHPARAM)
    quick += _map_steps(world, avoid, only)
    if quick:
        first = PHASE_FILES
    if first > PHASE_HOOKS and (hooks := list(_hook_steps(spec, world, now, avoid, only))):
        return PHASE_HOOKS, hooks
    if first > PHASE_ANNOUNCE and (announce := list(_announce_steps(spec, world, now, avoid, only))):
        return PHASE_ANNOUNCE, announce
    batch = [step for rank, step in ranked if rank == first]
    if first == PHASE_FILES:
        return first, batch + quick
    return first, batch or dhparams


def _hook_steps(
    spec: Spec, world: World, now: datetime, avoid: Collection[object], only: Collection[str] | None
) -> Iterator[Step]:
    # One that failed, or ended certctl itself, must not keep those behind it from running.
    for name, seen in sorted(world.hooks.items(), key=lambda item: item[1].state.attempts > 0):
        step = hook_step(name, seen)
        wanted = only is None or name in only or _serves(spec, name, only)
        if step and wanted and step.key not in avoid and not hook_blocked(seen, now):
            yield step


def _serves(spec: Spec, hook: str, only: Collection[str]) -> bool:
    """Whether *hook* runs for a certificate, DH parameter file or peer among *only*."""
    for name in only:
        cert, dhparam, peer = spec.certificates.get(name), spec.dhparams.get(name), spec.peers.get(name)
        if peer and hook in peer.hooks:
            return True
        if cert and (hook in cert.hooks or any(hook in file.hooks for file in cert.files)):
            return True
        if cert and any(hook in spec.announcers[announcer].hooks for announcer in cert.announce):
            return True
        if dhparam and hook in dhparam.hooks:
            return True
    return False


def _map_steps(world: World, avoid: Collection[object], only: Collection[str] | None) -> Iterator[Step]:
    for path, file in world.maps.items():
        step = map_step(file)
        if step and step.key not in avoid and (only is None or path in only):
            yield step


def _announce_steps(
    spec: Spec, world: World, now: datetime, avoid: Collection[object], only: Collection[str] | None
) -> Iterator[Step]:
    for name in world.announcers:
        step = announce_step(spec, world, name, now)
        if step and step.key not in avoid and (only is None or _announces(spec, name, only)):
            yield step


def _announces(spec: Spec, announcer: str, only: Collection[str]) -> bool:
    return any(name in only and announcer in cert.announce for name, cert in spec.certificates.items())


def _dhparam_steps(
    spec: Spec, world: World, now: datetime, avoid: Collection[object], only: Collection[str] | None
) -> Iterator[Step]:
    for name, seen in world.dhparams.items():
        if only is not None and name not in only:
            continue
        for step in dhparam_steps(spec.dhparams[name], seen, now):
            failure = next((f for f in seen.state.failures if f.kind == step.kind), None)
            if step.key not in avoid and not (failure and waits(failure, now)):
                yield step
                break


def foresee(
    spec: Spec, world: World, now: datetime, only: Collection[str] | None = None
) -> tuple[tuple[Step, ...], World]:
    """The steps of a pass at *now*, and the world as it would be after them; *world* stays as it is."""
    after = world.copy()
    avoid: set[object] = set()
    steps: list[Step] = []

    def apply(batch: Sequence[Step]) -> None:
        for step in batch:
            steps.append(step)
            assume(spec, after, step, now)

    walk(spec, after, lambda: now, apply, avoid, lambda step: avoid.add(step.key), only=only)
    return tuple(steps), after


def idle(spec: Spec, world: World, now: datetime, only: Collection[str] | None = None) -> Plan:
    """The plan of a world in which there is nothing to do: what waits, and the next moment."""
    from certctl.planning.holds import holds, next_moment

    return Plan(now, (), tuple(holds(spec, world, now, only)), next_moment(spec, world, now))


def plan(spec: Spec, world: World, now: datetime, only: Collection[str] | None = None) -> Plan:
    """What a pass would do at *now*: steps and holds, each with its reason, and when the next one is due."""
    steps, after = foresee(spec, world, now, only)
    return idle(spec, after, now, only)._replace(steps=steps)
