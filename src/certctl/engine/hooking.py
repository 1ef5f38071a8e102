"""Running hooks: one at a time, for all files that changed, and remembering what each was run for."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import NamedTuple

from certctl.engine.ledger import Ledger
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, InternalError
from certctl.planning import retry
from certctl.planning.host_rules import changed_files
from certctl.planning.observed import HookSeen
from certctl.planning.spec import HOUR, HookSpec, Spec
from certctl.planning.state import HookState
from certctl.planning.steps import Step
from certctl.planning.times import duration_text
from certctl.ports import HookOutcome
from certctl.system import surprise, unit

FIRST_RETRY = 10.0
LONGEST_RETRY = HOUR
MOST_ENVIRONMENT = 120_000
INTERRUPTED = "certctl was ended while the hook ran"


class Ended(NamedTuple):
    """How a hook ended."""

    state: HookState
    """What is known of it now."""
    timed_out: bool


def environment(spec: Spec, name: str, changed: list[str], path: str) -> dict[str, str]:
    """Exactly what a hook gets: what changed and for whom, never key material."""
    certificates = [
        cert.name
        for cert in spec.certificates.values()
        if any(file.path in changed for file in cert.files)
        or any(path.endswith(f"/live/{cert.name}") for path in changed)
    ]
    return {
        "CERTCTL_HOOK": name,
        "CERTCTL_FILES": _lines(changed),
        "CERTCTL_CERTIFICATES": _lines(certificates),
        "CERTCTL_CONFIG": spec.path,
        "PATH": path,
    }


def _lines(words: list[str]) -> str:
    """One a line; whole lines only, as many as execve(2) takes in one string (128 KiB)."""
    text = "\n".join(words)
    if len(os.fsencode(text)) <= MOST_ENVIRONMENT:
        return text
    return os.fsdecode(os.fsencode(text)[:MOST_ENVIRONMENT]).rpartition("\n")[0]


def run(spec: Spec, adapters: Adapters, seen: HookSeen) -> Ended:
    """Run one hook for what it has not been run for. Raises CertctlError never.

    What was delivered is what was on disk *before* it ran: a file that changes
    meanwhile is delivered by the next run. That it is tried is durable before it
    starts: it may restart the very unit that certctl runs in.
    """
    hook = spec.hooks[seen.state.name]
    changed = changed_files(seen)
    # A disk that takes no note must not keep a reload back; keeping how it ended tells of that.
    with contextlib.suppress(CertctlError):
        adapters.store.save_hooks([_begun(adapters, hook, seen.state)])
    try:
        argv = adapters.resolve_hook(hook)
        told = environment(spec, hook.name, changed, adapters.hook_path())
        outcome = adapters.run_hook(argv, told, hook.timeout)
    except Exception as caught:  # noqa: BLE001  # whatever one hook meets, the others run
        error = surprise.told(caught)
        trace = error.trace + "\n" if isinstance(error, InternalError) else ""
        text = trace + error.message + (f"\n{error.hint}" if error.hint else "")
        outcome = HookOutcome(127, text, timed_out=False, seconds=0.0)
    now = adapters.clock()
    state = seen.state._replace(
        last_run=now, exit_status=outcome.exit_status, output=_told(outcome, hook.timeout)
    )
    if outcome.exit_status == 0 and not outcome.timed_out:
        state = state._replace(delivered=dict(seen.files), attempts=0, retry_at=None, basis="")
        return Ended(state, timed_out=False)
    attempts = state.attempts + 1
    state = state._replace(
        attempts=attempts,
        retry_at=retry.back_off(attempts, FIRST_RETRY, LONGEST_RETRY, now),
        basis=adapters.hook_basis(hook),
    )
    return Ended(state, outcome.timed_out)


def _begun(adapters: Adapters, hook: HookSpec, before: HookState) -> HookState:
    """What is to be read if certctl does not live to see how the hook ends.

    Once may be chance (a power cut), so the hook runs again in the next pass, after the
    others; from then on it waits as after any other failure.
    """
    now, attempts = adapters.clock(), before.attempts + 1
    again = before.attempts and before.exit_status is None
    wait = retry.back_off(attempts, FIRST_RETRY, LONGEST_RETRY, now) if again else None
    return before._replace(
        last_run=now,
        exit_status=None,
        output=INTERRUPTED,
        attempts=attempts,
        retry_at=wait,
        basis=adapters.hook_basis(hook),
    )


def _told(outcome: HookOutcome, timeout: float) -> str:
    if outcome.timed_out:
        return f"killed after {duration_text(timeout)}\n{outcome.output}".rstrip("\n")
    return outcome.output.rstrip("\n")


def fail(ledger: Ledger, due: Step, error: CertctlError) -> None:
    """Remember that a hook never ends to be due (it changes what it follows, say), and run it later."""
    seen: HookSeen = ledger.world.hooks[due.subject]
    attempts = seen.state.attempts + 1
    state = seen.state._replace(
        attempts=attempts,
        output=error.message,
        retry_at=retry.back_off(attempts, FIRST_RETRY, LONGEST_RETRY, ledger.now),
        basis=ledger.adapters.hook_basis(ledger.spec.hooks[due.subject]),
    )
    ledger.failed(due, error)
    ledger.guard(due, partial(ledger.store.save_hooks, [state]))
    ledger.look_at_followers()


def step(ledger: Ledger, due: Step) -> None:
    """Run the hook that is due, and remember how it went."""
    seen: HookSeen = ledger.world.hooks[due.subject]
    ledger.tell(due.subject, f"hook runs: {due.reason}", "detail")
    state, timed_out = run(ledger.spec, ledger.adapters, seen)
    ledger.store.save_hooks([state])
    ledger.look_at_followers()
    if not state.attempts:
        ledger.done(due, f"hook ran: {due.reason}", output=state.output[-500:])
        return
    lines = state.output.strip().splitlines() or ["no output"]
    # That it was killed stands first; what it said last tells more of any other failure.
    told = lines[0] if timed_out else lines[-1]
    hint = f"see certctl hooks; when it is mended: certctl hooks run {due.subject}"
    # From a shell it may well succeed: there it may write everywhere.
    service = unit.own()
    if service is not None:
        hint += f"; {service} lets it write only where certctl systemd says"
    error = CertctlError(f"hook {due.subject} failed with exit status {state.exit_status}: {told}", hint)
    ledger.failed(due, error, output=state.output[-2000:])
