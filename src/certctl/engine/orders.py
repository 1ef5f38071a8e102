"""Issue steps: several at once, kept or remembered as failed as soon as they have ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from certctl.core.model import CertificateState
from certctl.core.steps import Step
from certctl.core.times import minute_text, rfc3339
from certctl.core.when import paused_until, renew_at
from certctl.engine import issuing
from certctl.engine.issuing import Job
from certctl.engine.ledger import MOST_TOGETHER, Ledger, Ready
from certctl.errors import CertctlError
from certctl.ports import Waiting

Result = issuing.Obtained | Waiting | CertctlError


def issue(ledger: Ledger, steps: Sequence[Step]) -> None:
    """Do all of *steps*."""
    jobs = [_job(ledger, step) for step in steps]
    for ended in issuing.run(ledger.spec, jobs, partial(issuing.obtain, ledger.adapters), MOST_TOGETHER):
        ready: list[Ready] = []
        for job, result in ended:
            ledger.guard(job.step, partial(_settle_into, ready, ledger, job, result))
        ledger.commit(ready)
    ledger.look_again({step.subject for step in steps})


def _job(ledger: Ledger, step: Step) -> Job:
    state = ledger.state(step.subject)
    generation = state.slot(step.slot or "next")
    assert generation is not None
    sure = ledger.world.clock.sure
    damaged = step.slot in ledger.world.certificates[step.subject].damaged
    return Job(step, ledger.spec.certificates[step.subject], state, generation, sure, damaged)


def fail(ledger: Ledger, step: Step, error: CertctlError) -> None:
    """Remember that *step* failed, and when it is tried again; raises *error*."""
    _fail(ledger, _job(ledger, step), error)


def _settle_into(ready: list[Ready], ledger: Ledger, job: Job, result: Result) -> None:
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
