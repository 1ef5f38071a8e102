"""The engine: walks the plan, applies each batch for real, and keeps what cannot be observed.

It holds no state between passes but what the store gives it. It does not lock:
whoever calls `run` holds the lock of the state directory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from certctl.core import effects
from certctl.core.bundle import Prepared
from certctl.core.model import CertificateState, DhparamState, Failure, HookState
from certctl.core.observed import HookSeen
from certctl.core.planner import walk
from certctl.core.spec import Spec
from certctl.core.steps import Step
from certctl.core.times import minute_text, rfc3339
from certctl.engine import advising, announcing, hooking, issuing, keymaking, proving
from certctl.engine.observing import Observer
from certctl.engine.outcome import Event, Failed, Outcome
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError
from certctl.ports import Waiting

_DHPARAM_RETRY = (60.0, 86400.0)


class Engine:
    """One configuration, its adapters, and the world as it was last observed."""

    def __init__(self, spec: Spec, adapters: Adapters) -> None:
        self.spec = spec
        self._adapters = adapters
        self._store = adapters.store
        self._avoid: set[object] = set()
        self._rounds: dict[str, int] = {}
        self._outcome = Outcome([], [], [])
        self._observer = Observer(spec, adapters)
        self.world = self._observer.look()

    # A pass

    def run(self, only: Collection[str] | None = None) -> Outcome:
        """Do all that is due now. Failures are isolated, kept in the state and returned."""
        self._store.prepare()
        self._repair(only)
        ask = partial(advising.refresh, self.spec, self._adapters, self.world, only)

        def before_network() -> None:
            if only is None:
                self._follow()
            ask()

        walk(
            self.spec,
            self.world,
            self._adapters.clock,
            self._apply,
            self._avoid,
            only=only,
            before_network=before_network,
            stop=self._adapters.stop,
        )
        self._prove(only)
        if any(step.kind == "issue" for step in self._outcome.done):
            ask()
        self._forget_settled(only)
        self._guard(Step("write", "stamps", "what was seen is kept", scope="stamps"), self._store.close)
        return self._outcome

    def _prove(self, only: Collection[str] | None) -> None:
        """Look at what is really served; where it is not what it should be, go back and look again."""
        names = proving.due(self.spec, self.world, only)
        reverted = self._judge(names)
        if reverted:
            walk(
                self.spec,
                self.world,
                self._adapters.clock,
                self._apply,
                self._avoid,
                only=only,
                stop=self._adapters.stop,
            )
            self._judge([name for name in proving.due(self.spec, self.world, only) if name in reverted])

    def _judge(self, names: Sequence[str]) -> list[str]:
        """Keep what the probes say of *names*; those whose files go back to what was served before."""
        reverted = []
        for name, problems in proving.look(self.spec, self._adapters, self.world, names).items():
            now, cert = self._adapters.clock(), self.spec.certificates[name]
            before = self.world.certificates[name].state
            verdict = proving.judge(self.spec, cert, before, problems, now)
            step = Step("rollback" if verdict.reverted else "promote", name, "; ".join(problems) or "proved")
            self._guard(step, partial(self._save, verdict.state))
            self._observer.look_again(self.world, [name])
            if not problems:
                self._tell(name, f"proved: {', '.join(cert.probe)} serve it", "detail")
                continue
            self._outcome.failed.append(Failed(step, CertctlError(problems[0], f"see: certctl probe {name}")))
            self._guard(step, partial(self._store.journal, now, "probe-failed", name, error=problems[0]))
            if verdict.reverted:
                self._tell(name, f"what was served before comes back: {problems[0]}", "warning")
                reverted.append(name)
        return reverted

    def _repair(self, only: Collection[str] | None) -> None:
        for name, seen in list(self.world.certificates.items()):
            if seen.recovered is None or (only is not None and name not in only):
                continue
            now = self._adapters.clock()
            try:
                aside = self._store.repair_state(seen, now)
            except CertctlError as error:
                # Nothing may overwrite the damaged file before it has been put aside.
                self.world.certificates[name] = seen._replace(unreadable=error.message)
                self._outcome.failed.append(Failed(Step("write", name, seen.recovered), error))
                continue
            where = f"; the damaged file is kept as {aside}" if aside else ""
            self._tell(name, f"{seen.recovered}{where}", "warning")
            self._store.journal(now, "recovered", name, reason=seen.recovered, kept_as=aside)
            self._observer.look_again(self.world, [name])

    def _apply(self, batch: Sequence[Step]) -> None:
        if batch[0].kind == "issue":
            self._issue([step for step in batch if step.kind == "issue"])
            batch = [step for step in batch if step.kind != "issue"]
        writes = [step for step in batch if step.kind == "write"]
        if writes:
            self._write(writes)
        for step in batch:
            if step.kind != "write":
                self._guard(step, partial(self._do, step))
        touched = {step.subject for step in batch if step.scope in ("certificate", "dhparam")}
        self._observer.look_again(self.world, touched)

    def _do(self, step: Step) -> None:
        if step.scope == "hook":
            self._hook(step)
        elif step.scope == "announcer":
            self._announce(step)
        elif step.scope == "dhparam":
            self._dhparam(step)
        elif step.kind == "make-key":
            self._make_key(step)
        elif step.kind in ("promote", "rollback"):
            self._turn(step)
        else:
            self._retire(step)

    def _guard(self, step: Step, work: Callable[[], None]) -> None:
        """Do one step; a failure is kept, and the rest of the pass goes on."""
        try:
            work()
        except CertctlError as error:
            self._failed(step, error)

    def _failed(self, step: Step, error: CertctlError) -> None:
        self._avoid.add(step.key)
        self._outcome.failed.append(Failed(step, error))
        now = self._adapters.clock()
        try:
            self._store.journal(now, f"{step.kind}-failed", step.subject, error=error.message, path=step.path)
            if step.scope == "certificate" and step.kind != "issue":
                self._remember_failure(step, error, now)
        except CertctlError as second:
            # What the disk does not take cannot be kept; the pass has told it.
            self._tell(step.subject, f"could not be recorded: {second.message}", "detail")

    def _remember_failure(self, step: Step, error: CertctlError, now: datetime) -> None:
        state = self.world.certificates[step.subject].state
        before = state.failure(step.kind, step.path or step.kind)
        attempts = before.attempts + 1 if before else 1
        failure = Failure(step.kind, step.path or step.kind, error.message, error.hint, now, attempts)
        self._save(effects.failed(state, failure))

    def _save(self, state: CertificateState) -> None:
        self._store.save(state)
        seen = self.world.certificates[state.name]
        self.world.certificates[state.name] = seen._replace(state=state)

    def _done(self, step: Step, text: str, **details: object) -> None:
        self._outcome.done.append(step)
        self._tell(step.subject, text)
        self._store.journal(self._adapters.clock(), step.kind, step.subject, reason=step.reason, **details)

    def _tell(self, subject: str, text: str, level: str = "info") -> None:
        self._adapters.report(Event(subject, text, level))

    # Steps

    def _make_key(self, step: Step) -> None:
        state = self.world.certificates[step.subject].state
        keys = keymaking.keys(self._adapters, self.spec.certificates[step.subject], state, step)
        state = effects.without_failure(state, "make-key")
        state = effects.with_next(state, keys.number, keys.records, self._adapters.clock())
        algorithms = [key.algorithm for key in keys.records]
        self._store.keep_keys(keys.number, list(zip(algorithms, keys.data, strict=True)), state)
        self._done(
            step,
            f"generation {keys.number}: made {keys.made}",
            generation=keys.number,
            pins=[f"{key.algorithm} {key.sha256}" for key in keys.records],
        )

    def _turn(self, step: Step) -> None:
        """Promote or roll back: what is served changes with the writes that follow."""
        now = self._adapters.clock()
        state = self.world.certificates[step.subject].state
        forced = state.rotation == "forced"
        turned = effects.promoted if step.kind == "promote" else effects.rolled_back
        state = turned(effects.without_failure(state, step.kind), now)
        if self.spec.certificates[step.subject].probe:
            state = state._replace(unproved="promotion" if step.kind == "promote" else "rollback")
        self._save(state)
        assert state.current is not None
        text = "is current" if step.kind == "promote" else "is current again"
        self._done(
            step,
            f"generation {state.current.number} {text}: {step.reason}",
            generation=state.current.number,
            forced=forced or None,
            pins=[f"{key.algorithm} {key.sha256}" for key in state.current.keys],
        )

    def _retire(self, step: Step) -> None:
        assert step.path is not None
        number = int(step.path)
        self._store.remove_generation(step.subject, number)
        state = self.world.certificates[step.subject].state
        self._save(effects.removed(effects.without_failure(state, "retire"), number))
        self._done(step, f"generation {number}: removed", generation=number)

    def _issue(self, steps: Sequence[Step]) -> None:
        jobs = []
        for step in steps:
            state = self.world.certificates[step.subject].state
            generation = state.slot(step.slot or "next")
            assert generation is not None
            jobs.append(issuing.Job(step, self.spec.certificates[step.subject], state, generation))
        for job, result in issuing.run(jobs, lambda job: issuing.obtain(self._adapters, job)):
            self._guard(job.step, partial(self._settle, job, result))
            self.world.certificates[job.cert.name] = self._store.observe_certificate(
                job.cert, self._adapters.clock()
            )
        self._observer.look_at_followers(self.world)

    def _settle(self, job: issuing.Job, result: issuing.Obtained | Waiting | CertctlError) -> None:
        now = self._adapters.clock()
        if isinstance(result, CertctlError):
            try:
                self._save(issuing.after_failure(self.spec, job, result, now))
            except CertctlError as second:
                # The reason that nothing was issued is the one to tell.
                self._tell(job.cert.name, f"could not be recorded: {second.message}", "detail")
            raise result
        if isinstance(result, Waiting):
            self._save(issuing.after_wait(self.spec, job, result))
            self._avoid.add(job.step.key)
            self._tell(job.cert.name, result.reason, "warning")
            self._store.journal(now, "waiting", job.cert.name, reason=result.reason)
            return
        state = issuing.keep(self._adapters, job, result, now)
        generation = state.slot(job.step.slot or "next")
        assert generation is not None
        assert generation.not_after is not None
        self._done(
            job.step,
            f"generation {generation.number}: issued by {result.issuer}, "
            f"expires {minute_text(generation.not_after)}",
            generation=generation.number,
            issuer=result.issuer,
            not_after=rfc3339(generation.not_after),
            certificates=[record.sha256 for record in result.records],
        )

    def _write(self, steps: Sequence[Step]) -> None:
        """Write files. What a hook was already run for is forgotten first, so that it runs again."""
        ready: list[tuple[Step, Prepared]] = []
        for step in steps:
            self._guard(step, partial(self._prepare_into, ready, step))
        forgotten, paths = self._delivered_before({p.path: p.digest for _, p in ready})
        lost: CertctlError | None = None
        try:
            if forgotten:
                self._store.save_hooks(forgotten)
        except CertctlError as error:
            lost = error
        for step, prepared in ready:
            if lost is not None and prepared.path in paths:
                self._failed(step, lost)
            else:
                self._guard(step, partial(self._commit, step, prepared))

    def _prepare_into(self, ready: list[tuple[Step, Prepared]], step: Step) -> None:
        ready.append((step, self._prepare(step)))

    def _prepare(self, step: Step) -> Prepared:
        assert step.path is not None
        if step.scope == "dhparam":
            return self._store.prepare_dhparam_file(self.spec.dhparams[step.subject])
        if step.scope == "map":
            assert self._adapters.following is not None
            return self._adapters.following.prepare(step.path)
        state = self.world.certificates[step.subject].state
        assert state.current is not None
        return self._store.prepare_file(self.spec.certificates[step.subject], state.current, step.path)

    def _commit(self, step: Step, prepared: Prepared) -> None:
        prepared.commit()
        if step.scope == "certificate":
            state = self.world.certificates[step.subject].state
            cleared = effects.without_failure(state, "write", step.path)
            if cleared is not state:
                self._save(cleared)
        self._done(step, f"wrote {prepared.path}", path=prepared.path)

    def _delivered_before(self, digests: dict[str, str]) -> tuple[list[HookState], set[str]]:
        """Hooks that ran for these very digests once, without them; and the paths that this is about."""
        forgotten: list[HookState] = []
        paths: set[str] = set()
        for state in self._store.hook_states().values():
            same = {path for path, digest in digests.items() if state.delivered.get(path) == digest}
            if same:
                kept = {path: digest for path, digest in state.delivered.items() if path not in same}
                forgotten.append(state._replace(delivered=kept))
                paths |= same
        return forgotten, paths

    def _hook(self, step: Step) -> None:
        seen: HookSeen = self.world.hooks[step.subject]
        self._tell(step.subject, f"hook runs: {step.reason}", "detail")
        state = hooking.run(self.spec, self._adapters, seen)
        self._store.save_hooks([state])
        self._observer.look_at_followers(self.world)
        if state.attempts:
            tail = state.output.strip().splitlines()[-1:] or ["no output"]
            raise CertctlError(
                f"hook {step.subject} failed with exit status {state.exit_status}: {tail[0]}",
                f"see certctl hooks; when it is mended: certctl hooks run {step.subject}",
            )
        self._done(step, f"hook ran: {step.reason}", output=state.output[-500:])

    def announce(self, names: Collection[str]) -> None:
        """Announce through all of *names* now, whether or not it is due."""
        for name in names:
            step = Step("announce", name, "it was asked for", scope="announcer")
            self._guard(step, partial(self._announce, step))

    def _announce(self, step: Step) -> None:
        name = step.subject
        self._rounds[name] = self._rounds.get(name, 0) + 1
        if self._rounds[name] >= announcing.MOST_IN_A_PASS:
            self._avoid.update(step._replace(kind=kind).key for kind in ("announce", "retract"))
        published = announcing.publish(self.spec, self._adapters, self.world, name)
        self._observer.look_at_followers(self.world)
        seen = []
        for state, slots in announcing.recorded(self.world, name, published):
            self._save(state)
            announcing.journal_seen(self._adapters, name, state, slots)
            seen += [state.name] if slots else []
        if not published.changed and not seen:
            self._tell(name, f"asked: {step.reason}", "detail")
            return
        verb = "retracted" if step.kind == "retract" else "announced" if published.changed else "seen"
        self._done(step, f"{verb}: {step.reason}", certificates=published.changed, seen=seen)

    def _follow(self) -> None:
        """Look at the feeds of peers; their maps and the hooks of these come right after."""
        following = self._adapters.following
        if following is None:
            return
        self.fail_peers(following.refresh(self._adapters.clock()))
        self._observer.look_at_followers(self.world)

    def fail_peers(self, outcomes: Mapping[str, CertctlError | None]) -> None:
        """Tell of the peers whose feeds were not to be had, or not believed."""
        for peer, error in outcomes.items():
            if error is not None:
                self._failed(Step("write", peer, "its pins are followed", scope="peer"), error)

    # DH parameters

    def _dhparam(self, step: Step) -> None:
        """A named group is there at once; a search is left to the caller, who lets go of the lock first."""
        dhparam = self.spec.dhparams[step.subject]
        if dhparam.source == "ffdhe":
            self.keep_dhparam(step, self._adapters.make_dhparam(dhparam, None))
        else:
            self._avoid.add(step.key)
            self._outcome.deferred.append(step)

    def keep_dhparam(self, step: Step, data: bytes) -> None:
        """Keep new parameters (PEM, already checked); the file is written by the pass that follows."""
        import hashlib

        dhparam = self.spec.dhparams[step.subject]
        now, sha256 = self._adapters.clock(), hashlib.sha256(data).hexdigest()
        state = DhparamState(dhparam.name, sha256, dhparam.bits, dhparam.source, now)
        self._guard(step, lambda: self._kept_dhparam(step, state, data))

    def _kept_dhparam(self, step: Step, state: DhparamState, data: bytes) -> None:
        self._store.keep_dhparam(state, data)
        self._observer.look_again(self.world, [step.subject])
        self._done(step, f"made {state.bits}-bit DH parameters ({state.source})")

    def fail_dhparam(self, step: Step, error: CertctlError) -> None:
        """Remember that making DH parameters failed, and when it is tried again."""
        state = self.world.dhparams[step.subject].state
        attempts = state.failures[0].attempts + 1 if state.failures else 1
        now = self._adapters.clock()
        retry_at = effects.back_off(attempts, *_DHPARAM_RETRY, now)
        failure = Failure("dhparam", step.subject, error.message, error.hint, now, attempts, retry_at)
        self._failed(step, error)
        self._guard(step, lambda: self._store.keep_dhparam(state._replace(failures=(failure,))))

    def _forget_settled(self, only: Collection[str] | None) -> None:
        """Failures whose step is not wanted any more go; a settled certificate has none."""
        failed = {(item.step.subject, item.step.kind) for item in self._outcome.failed}
        now = self._adapters.clock()
        for name, seen in list(self.world.certificates.items()):
            if seen.unreadable is not None or not seen.state.failures:
                continue
            if only is not None and name not in only:
                continue
            kept = tuple(
                failure
                for failure in seen.state.failures
                if (name, failure.kind) in failed or _still_waits(failure, now)
            )
            if kept != seen.state.failures:
                self._guard(Step("write", name, ""), partial(self._save, seen.state._replace(failures=kept)))


def _still_waits(failure: Failure, now: datetime) -> bool:
    return failure.retry_at is not None and failure.retry_at > now
