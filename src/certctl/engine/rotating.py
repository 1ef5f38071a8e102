"""Generations: making their keys, promoting, rolling back, retiring."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from certctl.engine import keymaking
from certctl.engine.ledger import Ledger, Ready
from certctl.planning import transitions
from certctl.planning.gate import keeps_previous
from certctl.planning.steps import Step


def rotate(ledger: Ledger, steps: Sequence[Step]) -> None:
    """Do steps of the kinds make-key, promote, rollback and retire, one for each certificate at the most."""
    retiring = [f"certificate {step.subject}" for step in steps if step.kind == "retire"]
    with ledger.store.in_hand(retiring) if retiring else nullcontext(frozenset()) as mine:
        # Another process may still ask for a certificate for it.
        busy = [s for s in steps if s.kind == "retire" and f"certificate {s.subject}" not in mine]
        ledger.avoid.update(step.key for step in busy)
        _rotate_all(ledger, [step for step in steps if step not in busy])


def _rotate_all(ledger: Ledger, steps: Sequence[Step]) -> None:
    certificates = ledger.spec.certificates
    new = [certificates[step.subject].keys for step in steps if step.kind == "make-key" and not step.reuse]
    make = keymaking.for_all(ledger.adapters.make_keys, new)
    ledger.together(steps, partial(_ready, ledger, make))


def _ready(ledger: Ledger, make: keymaking.Make, step: Step) -> Ready:
    if step.kind == "make-key":
        return _make_key(ledger, make, step)
    if step.kind == "retire":
        return _retire(ledger, step)
    return _rotate(ledger, step)


def _make_key(ledger: Ledger, make: keymaking.Make, step: Step) -> Ready:
    """The keys of a next generation, and that it is there."""
    state = ledger.state(step.subject)
    keys = keymaking.keys(ledger.adapters, ledger.spec.certificates[step.subject], state, step, make)
    state = transitions.without_failure(state, "make-key")
    state = transitions.with_next(state, keys.number, keys.records, ledger.now)
    algorithms = [key.algorithm for key in keys.records]
    change = ledger.store.new_keys(keys.number, list(zip(algorithms, keys.data, strict=True)), state)
    finish = partial(
        ledger.done,
        step,
        f"generation {keys.number}: {keys.made}",
        generation=keys.number,
        pins=[f"{key.algorithm} {key.sha256}" for key in keys.records],
    )
    return Ready(step, change, state, finish)


def _rotate(ledger: Ledger, step: Step) -> Ready:
    """Promote or roll back: what is served changes with the writes that follow."""
    state = ledger.state(step.subject)
    forced = state.forced
    keep = keeps_previous(ledger.spec.certificates[step.subject], state, ledger.now)
    state = transitions.without_failure(state, step.kind)
    if step.kind == "promote":
        state = transitions.promoted(state, ledger.now, keep_previous=keep)
    else:
        state = transitions.rolled_back(state, ledger.now)
    if ledger.spec.certificates[step.subject].probe:
        state = state._replace(unproved="promotion" if step.kind == "promote" else "rollback")
    assert state.current is not None
    text = "is current" if step.kind == "promote" else "is current again"
    finish = partial(
        ledger.done,
        step,
        f"generation {state.current.number} {text}: {step.reason}",
        generation=state.current.number,
        forced=forced or None,
        pins=[f"{key.algorithm} {key.sha256}" for key in state.current.keys],
    )
    return Ready(step, ledger.store.new_state(state), state, finish)


def _retire(ledger: Ledger, step: Step) -> Ready:
    """Remove a generation that stands in no slot."""
    assert step.generation is not None
    number = step.generation
    state = transitions.removed(transitions.without_failure(ledger.state(step.subject), "retire"), number)
    finish = partial(ledger.done, step, f"generation {number}: removed", generation=number)
    return Ready(step, ledger.store.removal(number, state), state, finish)
