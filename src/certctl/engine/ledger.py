"""What a pass works with: the world as last seen, what was done, what failed, and what is not tried again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from certctl.core import effects
from certctl.core.bundle import Change
from certctl.core.model import CertificateState, DhparamState, Failure
from certctl.core.spec import Spec
from certctl.core.steps import Step
from certctl.engine.observing import Observer
from certctl.engine.outcome import Event, Failed, Outcome
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, UnreadableError

MOST_TOGETHER = 500
"""Steps that wait for the disk together: enough that it counts no more, few enough to hold in memory."""


class Ready(NamedTuple):
    """A step that is done as soon as its change is durable."""

    step: Step
    change: Change
    state: CertificateState | None
    """What the change makes of the certificate's state, if anything."""
    finish: Callable[[], None]
    """What follows: telling of it, mostly."""


class Ledger:
    """One pass, as the steps see it."""

    def __init__(self, spec: Spec, adapters: Adapters) -> None:
        self.spec = spec
        self.adapters = adapters
        self.store = adapters.store
        self.avoid: set[object] = set()
        """Keys of steps that are not tried again in this pass."""
        self.outcome = Outcome([], [], [])
        self._observer = Observer(spec, adapters)
        self.world = self._observer.look()

    @property
    def now(self) -> datetime:
        return self.adapters.clock()

    def state(self, name: str) -> CertificateState:
        """The state of one certificate as it is now."""
        return self.world.certificates[name].state

    def look_again(self, names: Collection[str]) -> None:
        """Observe these certificates and DH parameters anew, and what follows them."""
        self._observer.look_again(self.world, names)

    def look_at_followers(self) -> None:
        """Observe hooks and announcers anew."""
        self._observer.look_at_followers(self.world)

    def guard(self, step: Step, work: Callable[[], None]) -> None:
        """Do one step; a failure is kept, and the rest of the pass goes on."""
        try:
            work()
        except CertctlError as error:
            self.failed(step, error)

    def failed(self, step: Step, error: CertctlError, **details: object) -> None:
        """Keep that *step* failed, in this pass and in the certificate's state."""
        self.avoid.add(step.key)
        self.outcome.failed.append(Failed(step, error))
        try:
            self.store.journal(
                self.now, f"{step.kind}-failed", step.subject, error=error.message, path=step.path, **details
            )
            if step.scope == "certificate" and step.kind != "issue":
                self._remember(step, error)
            elif step.scope == "dhparam" and step.kind == "write":
                self._remember_dhparam(step, error)
        except CertctlError as second:
            # What the disk does not take cannot be kept; the pass has told it.
            self.tell(step.subject, f"could not be recorded: {second.message}", "detail")

    def _remember(self, step: Step, error: CertctlError) -> None:
        state = self.state(step.subject)
        before = state.failure(step.kind, step.path or step.kind)
        attempts = before.attempts + 1 if before else 1
        failure = Failure(step.kind, step.path or step.kind, error.message, error.hint, self.now, attempts)
        self.save(effects.failed(state, failure))

    def _remember_dhparam(self, step: Step, error: CertctlError) -> None:
        seen = self.world.dhparams[step.subject]
        failure = Failure(step.kind, step.path or step.kind, error.message, error.hint, self.now)
        self.save_dhparam(seen.state._replace(failures=(failure,)))

    def save_dhparam(self, state: DhparamState) -> None:
        """Make *state* durable, and part of the world."""
        self.store.keep_dhparam(state)
        seen = self.world.dhparams[state.name]
        self.world.dhparams[state.name] = seen._replace(state=state)

    def together(self, steps: Sequence[Step], prepare: Callable[[Step], Ready]) -> None:
        """Do *steps* that are independent of each other, waiting for the disk once for many of them."""
        for first in range(0, len(steps), MOST_TOGETHER):
            ready: list[Ready] = []
            for step in steps[first : first + MOST_TOGETHER]:
                self.guard(step, partial(_prepare_into, ready, prepare, step))
            self.commit(ready)

    def commit(self, ready: Sequence[Ready]) -> None:
        """Make what is *ready* durable; a failure is kept, and the others are done."""
        for one, failure in zip(ready, self.store.commit([one.change for one in ready]), strict=True):
            if failure is not None:
                self.failed(one.step, failure)
                continue
            if one.state is not None:
                self._is(one.state)
            self.guard(one.step, one.finish)

    def save(self, state: CertificateState) -> None:
        """Make *state* durable, and part of the world.

        Never in place of one that cannot be read.
        """
        unreadable = self.world.certificates[state.name].unreadable
        if unreadable is not None:
            raise UnreadableError(unreadable)
        self.store.save(state)
        self._is(state)

    def _is(self, state: CertificateState) -> None:
        seen = self.world.certificates[state.name]
        self.world.certificates[state.name] = seen._replace(state=state, amended=False)

    def written(self, name: str, path: str, digest: str) -> bool:
        """Let the world say that *path*, a configured file of *name*, holds *digest*; False if it is none.

        live/NAME is none: with it files of the generation may have changed.
        """
        seen = self.world.certificates[name]
        if path not in [file.path for file in seen.files[1:]]:
            return False
        files = tuple(f._replace(problem=None, digest=digest) if f.path == path else f for f in seen.files)
        self.world.certificates[name] = seen._replace(files=files)
        return True

    def done(self, step: Step, text: str, **details: object) -> None:
        """Tell, and write into the journal, that *step* is done."""
        self.outcome.done.append(step)
        self.tell(step.subject, text)
        self.store.journal(self.now, step.kind, step.subject, reason=step.reason, **details)

    def tell(self, subject: str, text: str, level: str = "info") -> None:
        """Let whoever watches know."""
        self.adapters.report(Event(subject, text, level))


def _prepare_into(ready: list[Ready], prepare: Callable[[Step], Ready], step: Step) -> None:
    ready.append(prepare(step))
