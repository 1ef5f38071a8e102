"""When what failed is tried again: after its back-off, or once its basis, what it was tried with, changed."""

from __future__ import annotations

from datetime import datetime

from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import CertificateState, Failure
from certctl.planning.steps import Step
from certctl.planning.times import after


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


def back_off(
    attempts: int,
    base: float,
    cap: float,
    now: datetime,
    asked: float | None = None,
    most: float | None = None,
) -> datetime:
    """When to try again after *attempts* failures: *base* seconds, doubled each time up to *cap*.

    *asked*: what the other side asked for (Retry-After), which is honoured where it is longer,
    but not beyond *most* seconds.
    """
    seconds = min(base * 2 ** min(attempts - 1, 30), cap)
    asked = asked or 0 if most is None else min(asked or 0, most)
    return after(now, max(seconds, asked))
