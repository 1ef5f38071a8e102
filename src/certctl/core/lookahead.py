"""The world as it would be after a step: how the plan sees past its first steps without doing them."""

from __future__ import annotations

from datetime import datetime, timedelta

from certctl.core import effects
from certctl.core.model import CertificateRecord, KeyRecord, Sighting
from certctl.core.observed import CertificateSeen, World
from certctl.core.spec import Spec
from certctl.core.steps import Step

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
    else:
        world.certificates[step.subject] = _after(spec, world, step, now)


def _after(spec: Spec, world: World, step: Step, now: datetime) -> CertificateSeen:
    seen, cert = world.certificates[step.subject], spec.certificates[step.subject]
    state = seen.state
    if step.kind == "make-key":
        if step.reuse and state.current:
            keys = tuple(key._replace(certificate=None) for key in state.current.keys)
        else:
            keys = tuple(_foreseen_key(state.last_number + 1, algorithm) for algorithm in cert.keys)
        state = effects.with_next(state, state.last_number + 1, keys, now)
        return seen._replace(state=state, lost=seen.lost - {"next"}, damaged=seen.damaged - {"next"})
    if step.kind == "issue":
        assert step.slot is not None
        end = now + timedelta(seconds=cert.validity)
        generation = state.slot(step.slot)
        assert generation is not None
        records = (CertificateRecord(FORESEEN, FORESEEN, FORESEEN, "", now, end),) * len(generation.keys)
        state = effects.issued(
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
        seen = seen._replace(state=effects.promoted(state, now), lost=frozenset(), damaged=frozenset())
        return _all_to_write(seen, "holds the generation before" if state.current else "is missing")
    if step.kind == "rollback":
        seen = seen._replace(state=effects.rolled_back(state, now), lost=frozenset(), damaged=frozenset())
        return _all_to_write(seen, "holds the generation that was rolled back")
    if step.kind == "write":
        for file in seen.files:
            if file.path == step.path:
                _assume_changed(world, file.path, file.hooks)
        files = tuple(f._replace(problem=None) if f.path == step.path else f for f in seen.files)
        return seen._replace(files=files)
    assert step.kind == "retire"
    assert step.path is not None
    return seen._replace(state=effects.removed(state, int(step.path)))


def _foreseen_key(number: int, algorithm: str) -> KeyRecord:
    digest = f"{FORESEEN} {number} {algorithm}"
    return KeyRecord(algorithm, digest, digest, digest)


def _all_to_write(seen: CertificateSeen, problem: str) -> CertificateSeen:
    return seen._replace(files=tuple(file._replace(problem=problem) for file in seen.files))


def _assume_changed(world: World, path: str, hooks: tuple[str, ...]) -> None:
    for name in hooks:
        hook = world.hooks[name]
        world.hooks[name] = hook._replace(files={**hook.files, path: FORESEEN})


def _assume_announced(spec: Spec, world: World, step: Step, now: datetime) -> None:
    announcer = world.announcers[step.subject]
    world.announcers[step.subject] = announcer._replace(shown=dict(announcer.wanted), problem=None)
    for name, cert in spec.certificates.items():
        seen = world.certificates.get(name)
        if seen is not None and step.subject in cert.announce:
            state = effects.announced(seen.state, step.subject, Sighting(now))
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
