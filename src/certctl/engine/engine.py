"""The engine: walks the plan, applies each batch for real, and keeps what cannot be observed.

It holds no state between passes but what the store gives it. It does not lock:
whoever calls `run` holds the lock of the state directory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from certctl.engine import (
    advising,
    announcing,
    dhparams,
    following,
    hooking,
    orders,
    proving,
    rotating,
    writing,
)
from certctl.engine.ledger import Ledger
from certctl.engine.outcome import Failed, Outcome
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError
from certctl.planning.host_rules import take_over
from certctl.planning.observed import World
from certctl.planning.plan import Tried, walk
from certctl.planning.spec import Spec
from certctl.planning.state import Failure
from certctl.planning.steps import PHASE_HOOKS, Step


class Engine:
    """One configuration, its adapters, and the world as it was last observed."""

    def __init__(self, spec: Spec, adapters: Adapters) -> None:
        self._ledger = Ledger(spec, adapters)
        self._rounds: dict[str, int] = {}
        self._tried: Tried = {}

    @property
    def world(self) -> World:
        return self._ledger.world

    def run(self, only: Collection[str] | None = None) -> Outcome:
        """Do all that is due now. Failures are isolated, kept in the state and returned."""
        try:
            return self._run(only)
        finally:
            self._ledger.close()

    def _run(self, only: Collection[str] | None) -> Outcome:
        ledger = self._ledger
        ledger.store.prepare()
        for name, hook in ledger.world.hooks.items():
            if hook.problem is not None:
                # Before anything is issued: what is new then would be served by nobody.
                ledger.tell(name, hook.problem, "warning")
        self._repair(only)
        ledger.keep_in_time()
        ask = partial(advising.refresh, ledger, only)

        def before_network() -> None:
            if only is None:
                following.follow(ledger)
            ask()

        self._walk(only, before_network)
        if proving.prove(ledger, proving.due(ledger.spec, ledger.world, only)):
            self._walk(only)
            proving.prove(ledger, proving.due(ledger.spec, ledger.world, only))
        if any(step.kind == "issue" for step in ledger.outcome.done):
            ask()
        self._forget_failures(only)
        self._tell_unreadable(only)
        ledger.tell_surprises()
        stamps = Step("write", "stamps", "what was seen is kept", scope="stamps")
        ledger.guard(stamps, ledger.store.close)
        marks = Step("write", "clock", "when the clock was believed is kept", scope="stamps")
        ledger.guard(marks, ledger.keep_marks)
        return ledger.outcome

    def _serve(self, names: Collection[str]) -> None:
        """Bring what was issued to the servers, while others are still being waited for."""
        self._walk(names, last=PHASE_HOOKS)

    def _walk(
        self,
        only: Collection[str] | None,
        before_network: Callable[[], None] | None = None,
        last: int | None = None,
    ) -> None:
        walk(
            self._ledger.spec,
            self._ledger.world,
            self._ledger.adapters.clock,
            self._apply,
            self._ledger.avoid,
            self._without_effect,
            tried=self._tried,
            only=only,
            before_network=before_network,
            last=last,
            stop=self._ledger.adapters.stop,
        )

    def _apply(self, batch: Sequence[Step]) -> None:
        ledger = self._ledger
        issues = [step for step in batch if step.kind == "issue"]
        writes = [step for step in batch if step.kind == "write"]
        if issues:
            orders.issue(ledger, issues, self._serve)
        written: set[str] = writing.write(ledger, writes) if writes else set()
        turns = [step for step in batch if step.kind in ("make-key", "promote", "rollback", "retire")]
        if turns:
            rotating.rotate(ledger, turns)
        following = [step for step in batch if step.scope != "certificate" and step.kind != "write"]
        asks = any(step.scope == "announcer" for step in following)
        with ledger.share(announcing.SHARE) if asks else nullcontext():
            for step in following:
                ledger.guard(step, partial(self._do, step))
        touched = {step.subject for step in batch if step.scope == "certificate"} - written
        touched -= {step.subject for step in issues}
        ledger.look_again(touched | {step.subject for step in batch if step.scope == "dhparam"})

    def _without_effect(self, step: Step) -> None:
        """A step that came again although it was done: it has failed, and is tried again later."""
        ledger = self._ledger
        error = CertctlError(f"it was done in this pass, and is due again: {step.reason}")
        ledger.avoid.add(step.key)
        if step.kind == "issue":
            ledger.guard(step, partial(orders.fail, ledger, step, error))
        elif step.scope == "hook":
            hooking.fail(ledger, step, error)
        elif step.kind == "dhparam":
            dhparams.fail(ledger, step, error)
        else:
            ledger.failed(step, error)

    def _do(self, step: Step) -> None:
        if step.scope == "hook":
            hooking.step(self._ledger, step)
        elif step.scope == "announcer":
            announcing.step(self._ledger, step, self._rounds)
        else:
            dhparams.make(self._ledger, step)

    def _repair(self, only: Collection[str] | None) -> None:
        """Keep the states that were put together again from what is on disk; tell of those that were not."""
        ledger = self._ledger
        for name, seen in list(ledger.world.certificates.items()):
            if only is not None and name not in only:
                continue
            if name in ledger.surprised:
                continue
            step = Step("write", name, seen.recovered or "it cannot be read")
            for file in seen.conflicts:
                held = Step("write", name, file.conflict or "", path=file.path)
                ledger.avoid.add(held.key)
                hint = take_over(name, file.path, is_strange=file.is_strange)
                error = CertctlError(held.reason, hint, transient=False)
                ledger.outcome.failed.append(Failed(held, error))
            if seen.unreadable is None and seen.recovered is None and seen.amended:
                ledger.guard(step, partial(ledger.save, seen.state))
            if seen.unreadable is not None or seen.recovered is None:
                continue
            try:
                aside = ledger.store.repair_state(seen, ledger.now)
            except CertctlError as error:
                # Nothing may overwrite the damaged file before it has been put aside.
                ledger.world.certificates[name] = seen._replace(unreadable=error.message)
                continue
            where = f"; the damaged file is kept as {aside}" if aside else ""
            ledger.tell(name, f"{seen.recovered}{where}", "warning")
            told = partial(ledger.store.journal, ledger.now, "recovered", name)
            ledger.guard(step, partial(told, reason=seen.recovered, kept_as=aside))
            ledger.look_again([name])

    def _tell_unreadable(self, only: Collection[str] | None) -> None:
        """What could not be read has failed: nothing was done for it."""
        ledger = self._ledger
        world = ledger.world
        looked: list[tuple[str, Mapping[str, Any]]] = [
            ("certificate", world.certificates),
            ("dhparam", world.dhparams),
            ("hook", world.hooks),
        ]
        for scope, part in looked:
            for name, seen in part.items():
                if seen.unreadable is None or (only is not None and name not in only):
                    continue
                if name in ledger.surprised:
                    continue
                step = Step("write", name, "it cannot be read", scope=scope)
                hint = "nothing of it was changed; mend that, and the next pass goes on"
                ledger.outcome.failed.append(Failed(step, CertctlError(seen.unreadable, hint)))
                told = partial(ledger.store.journal, ledger.now, "unreadable", name, error=seen.unreadable)
                ledger.guard(step, told)

    def _forget_failures(self, only: Collection[str] | None) -> None:
        """Failures whose step is not wanted any more go; a certificate that needs nothing has none."""
        ledger = self._ledger
        failed = {(item.step.subject, item.step.kind) for item in ledger.outcome.failed}
        for name, seen in list(ledger.world.certificates.items()):
            chosen = only is None or name in only
            if seen.unreadable is not None or not seen.state.failures or not chosen:
                continue
            kept = tuple(
                failure
                for failure in seen.state.failures
                if (name, failure.kind) in failed or self._waits(name, failure)
            )
            if kept != seen.state.failures:
                state = seen.state._replace(failures=kept)
                ledger.guard(Step("write", name, "what failed is over"), partial(ledger.save, state))

    def _waits(self, name: str, failure: Failure) -> bool:
        """Whether a failure is not over: it is tried again later, or what it is about was not proved."""
        if failure.kind == "probe":
            return bool(self._ledger.state(name).unproved)
        return failure.retry_at is not None and failure.retry_at > self._ledger.now

    # What somebody asks for outside of the plan

    def announce(self, names: Collection[str]) -> None:
        """Announce through all of *names* now, whether or not it is due."""
        for name in names:
            step = Step("announce", name, "it was asked for", scope="announcer")
            self._ledger.guard(step, partial(announcing.step, self._ledger, step, self._rounds))

    def fail_peers(self, outcomes: Mapping[str, CertctlError | None]) -> None:
        """Tell of the peers whose feeds were not to be had, or not believed."""
        following.fail(self._ledger, outcomes)

    def keep_dhparam(self, step: Step, data: bytes) -> None:
        """Keep new parameters (PEM, already checked); the file is written by the pass that follows."""
        dhparams.keep(self._ledger, step, data)

    def fail_dhparam(self, step: Step, error: CertctlError) -> None:
        """Remember that making DH parameters failed, and when it is tried again."""
        dhparams.fail(self._ledger, step, error)
