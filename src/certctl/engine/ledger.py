"""What a pass works with: the world as last seen, what was done, what failed, and what is not tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from certctl.engine.observing import Observer
from certctl.engine.outcome import Event, Failed, Outcome
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, InternalError, UnreadableError
from certctl.planning import transitions
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateState, DhparamState, Failure
from certctl.planning.steps import Step
from certctl.system import deadline, surprise
from certctl.x509.bundle import Change

MARK_EVERY = timedelta(hours=12)
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
        self._has_begun = False
        """Whether anybody outside was asked yet."""
        self._time = contextlib.ExitStack()
        self.world = self._observer.look()

    @property
    def now(self) -> datetime:
        return self.adapters.clock()

    def state(self, name: str) -> CertificateState:
        """The state of one certificate as it is now."""
        return self.world.certificates[name].state

    @contextlib.contextmanager
    def share(self, part: float) -> Iterator[None]:
        """Leave time for those that are asked later: *part* of what is left is for what comes within."""
        self._begin()
        with deadline.share(part):
            yield

    def _begin(self) -> None:
        """The time for asking others begins when the first of them is asked."""
        if not self._has_begun:
            self._has_begun = True
            self._time.enter_context(deadline.limit(self.spec.network_timeout))

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Ask others, without the lock and before the time for that is over; then see what changed."""
        with self.in_time(), self.adapters.outside():
            yield

    @contextlib.contextmanager
    def in_time(self) -> Iterator[None]:
        """Do what lets go of the lock itself, where it asks others; then see what changed."""
        self._begin()
        try:
            yield
        except Exception:
            self.catch_up()
            raise
        self.catch_up()

    def catch_up(self) -> None:
        """Look at everything again, if another certctl did anything while the lock was not held."""
        if self.store.reread():
            if self.adapters.following is not None:
                self.adapters.following.forget()
            self._observer.look_at_all(self.world)

    @property
    def surprised(self) -> Collection[str]:
        """What could not be looked at for a reason that no one foresaw."""
        return self._observer.surprises

    def tell_surprises(self) -> None:
        """What no one foresaw while looking is a failure, too: it is told once."""
        for subject, error in self._observer.surprises.items():
            kind = "certificate" if subject in self.spec.certificates else "peer"
            self.failed(Step("write", subject, "it is looked at", scope=kind), error)
        self._observer.surprises.clear()

    def close(self) -> None:
        """The pass is over, and with it the time for asking others."""
        self._time.close()

    def keep_in_time(self) -> None:
        """Keep the states that were put right after a clock had been ahead."""
        for name in sorted(self._observer.mended):
            step = Step("write", name, "the clock jumped after its state was written", scope="clock")
            self.guard(step, partial(self._keep_in_time, step))
        if any(item.step.scope == "clock" for item in self.outcome.failed):
            # The next pass is to find the same.
            self._observer.marks = None

    def _keep_in_time(self, step: Step) -> None:
        self.save(self.state(step.subject))
        self.tell(step.subject, f"{step.reason}: hold-downs count from then on", "warning")
        self.store.journal(self.now, "put-in-time", step.subject)

    def keep_marks(self) -> None:
        """Remember when the clock was believed last: with other changes, else about once a day."""
        had, marks = self._observer.had, self._observer.marks
        if marks is None:
            return
        changed = any(self.outcome)
        same = had is not None and had.doubtful == marks.doubtful and had.sure.boot == marks.sure.boot
        if changed or not same or had is None or abs(marks.sure.at - had.sure.at) > MARK_EVERY:
            self.store.keep_clock_marks(marks)

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
        except Exception as error:  # noqa: BLE001  # whatever one step meets, the others are done
            self.failed(step, surprise.told(error))

    def failed(self, step: Step, error: CertctlError, **details: object) -> None:
        """Keep that *step* failed, in this pass and in the certificate's state."""
        self.avoid.add(step.key)
        self.outcome.failed.append(Failed(step, error))
        trace = error.trace if isinstance(error, InternalError) else None
        details = {"error": error.message, "path": step.part, **details, "trace": trace}
        try:
            self.store.journal(self.now, f"{step.kind}-failed", step.subject, **details)
            if step.scope == "certificate" and step.kind != "issue":
                self._remember(step, error)
            elif step.scope == "dhparam" and step.kind == "write":
                self._remember_dhparam(step, error)
        except Exception as second:  # noqa: BLE001
            # What the disk does not take cannot be kept; the pass has told it.
            self.tell(step.subject, f"could not be recorded: {surprise.told(second).message}", "detail")

    def _remember(self, step: Step, error: CertctlError) -> None:
        if self.world.certificates[step.subject].unreadable is not None:
            return  # what is not known must not be overwritten
        state = self.state(step.subject)
        before = state.failure(step.kind, step.part or step.kind)
        attempts = before.attempts + 1 if before else 1
        failure = Failure(step.kind, step.part or step.kind, error.message, error.hint, self.now, attempts)
        self.save(transitions.failed(state, failure))

    def _remember_dhparam(self, step: Step, error: CertctlError) -> None:
        seen = self.world.dhparams[step.subject]
        failure = Failure(step.kind, step.part or step.kind, error.message, error.hint, self.now)
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
        for one, failure in zip(ready, self._committed(ready), strict=True):
            if failure is not None:
                self.failed(one.step, failure)
                continue
            if one.state is not None:
                self._is(one.state)
            self.guard(one.step, one.finish)

    def _committed(self, ready: Sequence[Ready]) -> Sequence[CertctlError | None]:
        try:
            return self.store.commit([one.change for one in ready])
        except Exception as error:  # noqa: BLE001  # one by one it shows whose fault it is
            if len(ready) == 1:
                return [surprise.told(error)]
            return [failure for one in ready for failure in self._committed([one])]

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
        if path not in [file.path for file in seen.files if not file.is_live]:
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
