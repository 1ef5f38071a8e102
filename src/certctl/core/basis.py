"""What an attempt was made with: when it changes, a back-off or a wait is over."""

from __future__ import annotations

from datetime import datetime

from certctl.core.model import CertificateState, Failure
from certctl.core.spec import CertificateSpec, Spec
from certctl.core.steps import Step


def issue_basis(spec: Spec, cert: CertificateSpec, state: CertificateState, slot: str) -> str:
    """Everything that a request depends on, as one short word."""
    import zlib

    generation = state.slot(slot)
    issuers = [spec.issuers[name] for name in cert.issuers if name in spec.issuers]
    number = generation.number if generation else 0
    what = (cert.names, cert.keys, cert.validity, issuers, number, slot)
    return f"{zlib.crc32(repr(what).encode()):08x}"


def blocked(spec: Spec, state: CertificateState, step: Step, now: datetime) -> bool:
    """Whether an earlier failure's back-off, or a wait for somebody outside, stands before *step*."""
    if step.kind != "issue" or step.slot is None or not (state.failures or state.waiting):
        return False
    basis = issue_basis(spec, spec.certificates[step.subject], state, step.slot)
    waiting = state.waiting
    if waiting is not None and waiting.basis == basis and (waiting.until is None or now < waiting.until):
        return True
    failure = state.failure("issue")
    if failure is None or failure.basis != basis:
        return False
    return waits(failure, now)


def waits(failure: Failure, now: datetime) -> bool:
    """Whether the back-off of *failure* is not over.

    One that a clock ahead of ours has written is: else a wrong clock's seconds would last for years.
    """
    return failure.retry_at is not None and failure.at <= now < failure.retry_at
