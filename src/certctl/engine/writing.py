"""Write steps: files that are brought to what they should be, and hooks that must hear of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from certctl.engine.ledger import MOST_TOGETHER, Ledger, Ready
from certctl.errors import CertctlError
from certctl.planning import transitions
from certctl.planning.state import HookState
from certctl.planning.steps import Step
from certctl.system import surprise
from certctl.x509.bundle import Prepared


def write(ledger: Ledger, steps: Sequence[Step]) -> set[str]:
    """Write files. What a hook was already run for is forgotten first, so that it runs again.

    Returns the certificates of which nothing else can have changed: the world says what was written.
    """
    known: set[str] = set()
    for first in range(0, len(steps), MOST_TOGETHER):
        _write(ledger, steps[first : first + MOST_TOGETHER], known)
    return known


def _write(ledger: Ledger, steps: Sequence[Step], known: set[str]) -> None:
    ready: list[tuple[Step, Prepared]] = []
    for step in steps:
        ledger.guard(step, partial(_prepare_into, ledger, ready, step))
    forgotten, paths = _delivered_before(ledger, {p.path: p.digest for _, p in ready})
    lost: CertctlError | None = None
    try:
        if forgotten:
            ledger.store.save_hooks(forgotten)
    except Exception as error:  # noqa: BLE001
        lost = surprise.told(error)
    safe: list[Ready] = []
    for step, prepared in ready:
        if lost is not None and prepared.path in paths:
            ledger.failed(step, lost)
        else:
            safe.append(Ready(step, prepared.change, None, partial(_finish, ledger, step, prepared, known)))
    ledger.commit(safe)


def _prepare_into(ledger: Ledger, ready: list[tuple[Step, Prepared]], step: Step) -> None:
    ready.append((step, _prepare(ledger, step)))


def _prepare(ledger: Ledger, step: Step) -> Prepared:
    assert step.path is not None
    if step.scope == "dhparam":
        return ledger.store.prepare_dhparam_file(ledger.spec.dhparams[step.subject])
    if step.scope == "map":
        assert ledger.adapters.following is not None
        return ledger.adapters.following.prepare(step.path)
    state = ledger.state(step.subject)
    assert state.current is not None
    return ledger.store.prepare_file(ledger.spec.certificates[step.subject], state.current, step.path)


def _finish(ledger: Ledger, step: Step, prepared: Prepared, known: set[str]) -> None:
    path = prepared.path
    if step.scope == "certificate":
        state = ledger.state(step.subject)
        cleared = transitions.without_failure(state, "write", step.path)
        if cleared is not state:
            ledger.save(cleared)
        if ledger.written(step.subject, path, prepared.digest):
            known.add(step.subject)
    elif step.scope == "dhparam" and (kept := ledger.world.dhparams[step.subject].state).failures:
        ledger.save_dhparam(kept._replace(failures=()))
    ledger.done(step, f"wrote {path}", path=path)


def _delivered_before(ledger: Ledger, digests: dict[str, str]) -> tuple[list[HookState], set[str]]:
    """Hooks that ran for these very digests once, without them; and the paths that this is about."""
    forgotten: list[HookState] = []
    paths: set[str] = set()
    for state in ledger.store.hook_states().values():
        same = {path for path, digest in digests.items() if state.delivered.get(path) == digest}
        if same:
            kept = {path: digest for path, digest in state.delivered.items() if path not in same}
            forgotten.append(state._replace(delivered=kept))
            paths |= same
    return forgotten, paths
