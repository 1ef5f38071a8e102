"""DH parameters: a named group is there at once, a search is left to whoever called the pass."""

from __future__ import annotations

from functools import partial

from certctl.engine.ledger import Ledger
from certctl.errors import CertctlError
from certctl.planning import retry
from certctl.planning.state import DhparamState, Failure
from certctl.planning.steps import Step

RETRY = (60.0, 86400.0)
"""First and longest wait after a failure, in seconds."""


def make(ledger: Ledger, step: Step) -> None:
    """Take a named group; put a search off until the lock is let go of."""
    dhparam = ledger.spec.dhparams[step.subject]
    if dhparam.source == "ffdhe":
        keep(ledger, step, ledger.adapters.make_dhparam(dhparam, None))
    else:
        ledger.avoid.add(step.key)
        ledger.outcome.deferred.append(step)


def keep(ledger: Ledger, step: Step, data: bytes) -> None:
    """Keep new parameters (PEM, already checked); the file is written by the pass that follows."""
    import hashlib

    dhparam = ledger.spec.dhparams[step.subject]
    sha256 = hashlib.sha256(data).hexdigest()
    state = DhparamState(dhparam.name, sha256, dhparam.bits, dhparam.source, ledger.now)
    ledger.guard(step, partial(_kept, ledger, step, state, data))


def _kept(ledger: Ledger, step: Step, state: DhparamState, data: bytes) -> None:
    ledger.store.keep_dhparam(state, data)
    ledger.look_again([step.subject])
    ledger.done(step, f"made {state.bits}-bit DH parameters ({state.source})")


def fail(ledger: Ledger, step: Step, error: CertctlError) -> None:
    """Remember that making DH parameters failed, and when it is tried again."""
    state = ledger.world.dhparams[step.subject].state
    attempts = state.failures[0].attempts + 1 if state.failures else 1
    retry_at = retry.back_off(attempts, *RETRY, ledger.now)
    failure = Failure("dhparam", step.subject, error.message, error.hint, ledger.now, attempts, retry_at)
    ledger.failed(step, error)
    ledger.guard(step, partial(ledger.store.keep_dhparam, state._replace(failures=(failure,))))
