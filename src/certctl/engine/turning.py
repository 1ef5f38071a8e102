"""Generations: making their keys, promoting, rolling back, retiring."""

from __future__ import annotations

from certctl.core import effects
from certctl.core.steps import Step
from certctl.engine import keymaking
from certctl.engine.ledger import Ledger


def make_key(ledger: Ledger, step: Step) -> None:
    """Keep the keys of a next generation, and that it is there."""
    state = ledger.state(step.subject)
    keys = keymaking.keys(ledger.adapters, ledger.spec.certificates[step.subject], state, step)
    state = effects.without_failure(state, "make-key")
    state = effects.with_next(state, keys.number, keys.records, ledger.now)
    algorithms = [key.algorithm for key in keys.records]
    ledger.store.keep_keys(keys.number, list(zip(algorithms, keys.data, strict=True)), state)
    ledger.done(
        step,
        f"generation {keys.number}: made {keys.made}",
        generation=keys.number,
        pins=[f"{key.algorithm} {key.sha256}" for key in keys.records],
    )


def turn(ledger: Ledger, step: Step) -> None:
    """Promote or roll back: what is served changes with the writes that follow."""
    state = ledger.state(step.subject)
    forced = state.rotation == "forced"
    turned = effects.promoted if step.kind == "promote" else effects.rolled_back
    state = turned(effects.without_failure(state, step.kind), ledger.now)
    if ledger.spec.certificates[step.subject].probe:
        state = state._replace(unproved="promotion" if step.kind == "promote" else "rollback")
    ledger.save(state)
    assert state.current is not None
    text = "is current" if step.kind == "promote" else "is current again"
    ledger.done(
        step,
        f"generation {state.current.number} {text}: {step.reason}",
        generation=state.current.number,
        forced=forced or None,
        pins=[f"{key.algorithm} {key.sha256}" for key in state.current.keys],
    )


def retire(ledger: Ledger, step: Step) -> None:
    """Remove a generation that stands in no slot."""
    assert step.path is not None
    number = int(step.path)
    ledger.store.remove_generation(step.subject, number)
    state = ledger.state(step.subject)
    ledger.save(effects.removed(effects.without_failure(state, "retire"), number))
    ledger.done(step, f"generation {number}: removed", generation=number)
