"""The world as it would be after a step: how the plan sees past its first steps without doing them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from certctl.planning import transitions
from certctl.planning.gate import keeps_previous
from certctl.planning.observed import CertificateSeen, World
from certctl.planning.pins import IN_DNS, cache_time, place
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateRecord, CertificateState, KeyRecord, Observation
from certctl.planning.steps import Step

FORESEEN = "foreseen"
"""Stands for digests that nobody can know yet."""


def assume(spec: Spec, world: World, step: Step, now: datetime) -> None:
    """Change *world* to what it is once *step* has succeeded."""
    if step.scope == "hook":
        hook = world.hooks[step.subject]
        state = hook.state._replace(delivered=dict(hook.files), retry_at=None, attempts=0)
        world.hooks[step.subject] = hook._replace(state=state)
    elif step.scope == "announcer":
        _assume_announced(spec, world, step, now)
    elif step.scope == "dhparam":
        _assume_dhparam(world, step, now)
    elif step.scope == "map":
        file = world.maps[step.subject]
        _assume_changed(world, file.path, file.hooks)
        world.maps[step.subject] = file._replace(problem=None)
    else:
        before = world.certificates[step.subject].state
        world.certificates[step.subject] = _after(spec, world, step, now)
        _assume_other_pins(spec, world, step, before)


def _after(spec: Spec, world: World, step: Step, now: datetime) -> CertificateSeen:
    seen, cert = world.certificates[step.subject], spec.certificates[step.subject]
    state = seen.state
    if step.kind == "make-key":
        if step.reuse and state.current:
            keys = tuple(key._replace(certificate=None) for key in state.current.keys)
        else:
            keys = tuple(_foreseen_key(state.last_number + 1, algorithm) for algorithm in cert.keys)
        state = transitions.with_next(state, state.last_number + 1, keys, now)
        return seen._replace(state=state, lost=seen.lost - {"next"}, damaged=seen.damaged - {"next"})
    if step.kind == "issue":
        assert step.slot is not None
        end = now + timedelta(seconds=cert.validity)
        generation = state.slot(step.slot)
        assert generation is not None
        records = (CertificateRecord(FORESEEN, FORESEEN, FORESEEN, "", now, end),) * len(generation.keys)
        state = transitions.issued(
            state,
            step.slot,
            records,
            names=cert.names,
            issuer=cert.issuers[0],
            now=now,
            new_pins=cert.pin == "certificate",
        )
        seen = seen._replace(state=state, damaged=seen.damaged - {step.slot})
        return _all_to_write(seen, "holds the certificate before") if step.slot == "current" else seen
    if step.kind == "promote":
        keep = keeps_previous(cert, state, now)
        left = "previous" if keep else "current"
        seen = _turned(seen, {"next": "current", left: "previous"})
        seen = seen._replace(state=transitions.promoted(state, now, keep_previous=keep), served_next=None)
        if state.current is not None:
            return _all_to_write(seen, "holds the generation before")
        files = tuple(file._replace(problem=file.problem or "is missing") for file in seen.files)
        return seen._replace(files=files)
    if step.kind == "rollback":
        state = transitions.rolled_back(state, now)
        stays = {"next": "next"} if state.next else {}
        seen = _turned(seen, {"previous": "current", "current": "previous", **stays})._replace(state=state)
        return _all_to_write(seen, "holds the generation that was rolled back")
    if step.kind == "write":
        for file in seen.files:
            if file.path == step.path:
                _assume_changed(world, file.path, file.hooks)
        files = tuple(f._replace(problem=None) if f.path == step.path else f for f in seen.files)
        return seen._replace(files=files)
    assert step.kind == "retire"
    assert step.generation is not None
    return seen._replace(state=transitions.removed(state, step.generation))


def _turned(seen: CertificateSeen, moves: Mapping[str, str]) -> CertificateSeen:
    """What is wrong with a generation goes with it into its new slot."""
    lost = frozenset(moves[slot] for slot in seen.lost if slot in moves)
    damaged = frozenset(moves[slot] for slot in seen.damaged if slot in moves)
    return seen._replace(lost=lost, damaged=damaged)


def _foreseen_key(number: int, algorithm: str) -> KeyRecord:
    digest = f"{FORESEEN} {number} {algorithm}"
    return KeyRecord(algorithm, digest, digest, digest)


def _all_to_write(seen: CertificateSeen, problem: str) -> CertificateSeen:
    return seen._replace(files=tuple(file._replace(problem=problem) for file in seen.files))


def _assume_changed(world: World, path: str, hooks: tuple[str, ...]) -> None:
    for name in hooks:
        hook = world.hooks[name]
        # Other than what is there, even where that is foreseen too: each write is a change.
        content = f"{FORESEEN} after {hook.files.get(path)}"
        world.hooks[name] = hook._replace(files={**hook.files, path: content})


def _assume_other_pins(spec: Spec, world: World, step: Step, before: CertificateState) -> None:
    """After *step* the announcers of its certificate have something else to show."""
    cert = spec.certificates[step.subject]
    gone = step.kind == "rollback" and before.next and not world.certificates[step.subject].state.next
    for name in cert.announce:
        kind = spec.announcers[name].type
        made = step.kind == "make-key" and (cert.pin == "key" or kind in IN_DNS)
        issued = (step.kind == "issue" or gone) and cert.pin == "certificate" and kind not in IN_DNS
        turned = step.kind in ("promote", "rollback") and kind in ("feed", "command")
        if made or issued or turned:
            announcer = world.announcers[name]
            foreseen = f"{FORESEEN} after {announcer.wanted.get(cert.name)}"
            wanted = {**announcer.wanted, cert.name: foreseen}
            world.announcers[name] = announcer._replace(wanted=wanted, fewer=frozenset())


def _assume_announced(spec: Spec, world: World, step: Step, now: datetime) -> None:
    announcer = world.announcers[step.subject]
    if announcer.problem or announcer.shown != announcer.wanted:
        for file in announcer.files:
            _assume_changed(world, file.path, file.hooks)
    world.announcers[step.subject] = announcer._replace(
        shown=dict(announcer.wanted),
        problem=None,
        fewer=frozenset(),
        unseen={},
        ask_at=None,
        due_at=None,
        ahead_until=None,
        failure=None,
    )
    via = spec.announcers[step.subject]
    observation = Observation(now, cache_time(via), place(via))
    for name, cert in spec.certificates.items():
        seen = world.certificates.get(name)
        if seen is not None and step.subject in cert.announce:
            state = transitions.announced(seen.state, step.subject, observation)
            world.certificates[name] = seen._replace(state=state)


def _assume_dhparam(world: World, step: Step, now: datetime) -> None:
    seen = world.dhparams[step.subject]
    if step.kind == "dhparam":
        state = seen.state._replace(made_at=now, failures=())
        file = seen.file._replace(problem=seen.file.problem or "holds the parameters before")
        world.dhparams[step.subject] = seen._replace(state=state, kept=True, file=file)
    else:
        _assume_changed(world, seen.file.path, seen.file.hooks)
        world.dhparams[step.subject] = seen._replace(file=seen.file._replace(problem=None))
