"""Issue steps: several at once, each kept or remembered as failed as soon as it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from certctl.core.steps import Step
from certctl.core.times import minute_text, rfc3339
from certctl.engine import issuing
from certctl.engine.ledger import Ledger
from certctl.errors import CertctlError
from certctl.ports import Waiting


def issue(ledger: Ledger, steps: Sequence[Step]) -> None:
    """Do all of *steps*."""
    jobs = []
    for step in steps:
        state = ledger.state(step.subject)
        generation = state.slot(step.slot or "next")
        assert generation is not None
        jobs.append(issuing.Job(step, ledger.spec.certificates[step.subject], state, generation))
    for job, result in issuing.run(jobs, partial(issuing.obtain, ledger.adapters)):
        ledger.guard(job.step, partial(_settle, ledger, job, result))
    ledger.look_again({step.subject for step in steps})


def _settle(ledger: Ledger, job: issuing.Job, result: issuing.Obtained | Waiting | CertctlError) -> None:
    if isinstance(result, CertctlError):
        try:
            ledger.save(issuing.after_failure(ledger.spec, job, result, ledger.now))
        except CertctlError as second:
            # The reason that nothing was issued is the one to tell.
            ledger.tell(job.cert.name, f"could not be recorded: {second.message}", "detail")
        raise result
    if isinstance(result, Waiting):
        ledger.save(issuing.after_wait(ledger.spec, job, result))
        ledger.avoid.add(job.step.key)
        ledger.tell(job.cert.name, result.reason, "warning")
        ledger.store.journal(ledger.now, "waiting", job.cert.name, reason=result.reason)
        return
    state = issuing.keep(ledger.adapters, job, result, ledger.now)
    generation = state.slot(job.step.slot or "next")
    assert generation is not None
    assert generation.not_after is not None
    ledger.done(
        job.step,
        f"generation {generation.number}: issued by {result.issuer}, "
        f"expires {minute_text(generation.not_after)}",
        generation=generation.number,
        issuer=result.issuer,
        not_after=rfc3339(generation.not_after),
        certificates=[record.sha256 for record in result.records],
    )
