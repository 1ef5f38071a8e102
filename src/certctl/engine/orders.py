"""Issue steps: several at once, kept or remembered as failed as soon as they have ended.

Others are asked without the lock. What comes of it is kept if it still fits, written
and delivered at once, whoever else is still being waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from functools import partial

from certctl.engine import issuing
from certctl.engine.issuing import Job
from certctl.engine.ledger import MOST_TOGETHER, Ledger, Ready
from certctl.errors import CertctlError
from certctl.planning.due import paused_until, renew_at
from certctl.planning.state import CertificateState
from certctl.planning.steps import Step
from certctl.planning.times import minute_text, rfc3339
from certctl.ports import Waiting

Result = issuing.Obtained | Waiting | CertctlError
Serve = Callable[[Collection[str]], None]
"""Writes the files of these certificates and runs their hooks."""

GATHER = 2.0
"""Seconds for which a certificate that was issued waits for others, so that they share a reload."""


def issue(ledger: Ledger, steps: Sequence[Step], serve: Serve) -> None:
    """Do all of *steps*; certificates that come while others are waited for are served by *serve*."""
    spec = ledger.spec
    asking = [step for step in steps if issuing.asks_outside(spec, spec.certificates[step.subject])]
    here = [step for step in steps if step not in asking]
    if here:
        _issue(ledger, [_job(ledger, step) for step in here], None)
    if asking:
        wanted = {s.subject: issuing.in_hand(spec, spec.certificates[s.subject]) for s in asking}
        with ledger.store.in_hand(sorted({name for names in wanted.values() for name in names})) as mine:
            ours = [step for step in asking if _is_free(ledger, step, wanted[step.subject], mine)]
            if ours:
                _issue(ledger, [_job(ledger, step)._replace(is_outside=True) for step in ours], serve)


def _is_free(ledger: Ledger, step: Step, names: Sequence[str], mine: Collection[str]) -> bool:
    """Whether all that *step* needs is in our hands; another process goes on with it otherwise."""
    others = [name for name in names if name not in mine]
    if others:
        ledger.avoid.add(step.key)
        ledger.tell(step.subject, f"another certctl has {others[-1]} in hand: it goes on there")
    return not others


def _issue(ledger: Ledger, jobs: Sequence[Job], serve: Serve | None) -> None:
    """Do *jobs*; without *serve* under the lock: they are done in a moment."""
    left = len(jobs)
    obtain = partial(issuing.obtain, ledger.adapters)
    outside, gather = (ledger.outside, GATHER) if serve else (nullcontext, 0.0)
    for ended in issuing.run(ledger.spec, jobs, obtain, MOST_TOGETHER, outside, gather):
        ready: list[Ready] = []
        for job, result in ended:
            ledger.guard(job.step, partial(_settle_into, ready, ledger, job, result))
        ledger.commit(ready)
        left -= len(ended)
        names = {job.step.subject for job, _ in ended}
        if serve or not left:
            ledger.look_again(names if serve else {job.step.subject for job in jobs})
        if serve and left:
            serve(names)


def _job(ledger: Ledger, step: Step) -> Job:
    state = ledger.state(step.subject)
    generation = state.slot(step.slot or "next")
    assert generation is not None
    sure = ledger.world.clock.sure
    damaged = step.slot in ledger.world.certificates[step.subject].damaged
    cert = ledger.spec.certificates[step.subject]
    return Job(step, cert, state, generation, sure=sure, damaged=damaged)


def fail(ledger: Ledger, step: Step, error: CertctlError) -> None:
    """Remember that *step* failed, and when it is tried again; raises *error*."""
    _fail(ledger, _job(ledger, step), error)


def _settle_into(ready: list[Ready], ledger: Ledger, job: Job, result: Result) -> None:
    if not issuing.fits(job, ledger.world.certificates[job.cert.name]):
        ledger.avoid.add(job.step.key)
        ledger.tell(job.cert.name, "another certctl changed it meanwhile: what was asked for is not used")
        return
    # What others wished meanwhile is in the state as it is now.
    state = ledger.state(job.cert.name)
    generation = state.slot(job.step.slot or "next")
    assert generation is not None
    job = job._replace(state=state, generation=generation)
    if isinstance(result, CertctlError):
        _fail(ledger, job, result)
    elif isinstance(result, Waiting):
        state = issuing.after_wait(ledger.spec, job, result)
        change = ledger.store.new_state(state)
        ready.append(Ready(job.step, change, state, partial(_wait, ledger, job, result.reason)))
    else:
        state, change = issuing.issued(ledger.adapters, job, result, ledger.now)
        ready.append(Ready(job.step, change, state, partial(_finish, ledger, job, result, state)))


def _fail(ledger: Ledger, job: Job, error: CertctlError) -> None:
    try:
        ledger.save(issuing.after_failure(ledger.spec, job, error, ledger.now))
    except CertctlError as second:
        # The reason that nothing was issued is the one to tell.
        ledger.tell(job.cert.name, f"could not be recorded: {second.message}", "detail")
    raise error


def _wait(ledger: Ledger, job: Job, reason: str) -> None:
    ledger.avoid.add(job.step.key)
    ledger.tell(job.cert.name, reason, "warning")
    ledger.store.journal(ledger.now, "waiting", job.cert.name, reason=reason)


def _finish(ledger: Ledger, job: Job, got: issuing.Obtained, state: CertificateState) -> None:
    issuing.finish(ledger.adapters, got)
    generation = state.slot(job.step.slot or "next")
    assert generation is not None
    assert generation.not_after is not None
    due = renew_at(job.cert, generation)
    if due is not None and due <= ledger.now and (pause := paused_until(job.cert, generation)) is not None:
        text = f"the certificate that {got.issuer} gave is due for renewal already: it is asked for again"
        ledger.tell(job.cert.name, f"{text} {minute_text(pause)}", "warning")
    ledger.done(
        job.step,
        f"generation {generation.number}: issued by {got.issuer}, "
        f"expires {minute_text(generation.not_after)}",
        generation=generation.number,
        issuer=got.issuer,
        refused=got.refused,
        not_after=rfc3339(generation.not_after),
        certificates=[record.sha256 for record in got.records],
    )
