"""Issuing: ask issuers in turn, check what they give, keep it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import NamedTuple

from certctl.engine.outcome import Event
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, IssuerError
from certctl.planning import retry, transitions
from certctl.planning.observed import CertificateSeen
from certctl.planning.retry import issue_basis
from certctl.planning.rules import LOCAL_ISSUERS
from certctl.planning.spec import DAY, HOUR, CertificateSpec, Spec
from certctl.planning.state import CertificateRecord, CertificateState, Failure, Generation, Request, Wait
from certctl.planning.steps import Step
from certctl.planning.times import minute_text
from certctl.ports import Issued, Issuer, IssueRequest, Waiting
from certctl.system import surprise
from certctl.x509.bundle import Change, Material

AT_ONCE = 20
"""Certificates of one issuer under way at the same time, where it names no limit of its own."""

OUTSIDE = ("acme", "command")
"""Types of issuers that ask somebody outside; the others have all they need on this host."""

REST_SHARE = 0.1
_BACK_OFF = {"command": (10.0, HOUR), "acme": (60.0, DAY / 4)}
"""First and longest wait after failures, in seconds; local issuers are asked again in every pass."""


class Job(NamedTuple):
    """One certificate to be issued."""

    step: Step
    cert: CertificateSpec
    state: CertificateState
    generation: Generation
    is_outside: bool = False
    """Whether it is done without the lock."""
    sure: datetime | None = None
    """Where the clock is not believed: the last moment that was."""
    damaged: bool = False
    """Whether what was issued before is lost."""


class Obtained(NamedTuple):
    """What one job gave."""

    issuer: str
    materials: tuple[Material, ...]
    records: tuple[CertificateRecord, ...]
    requests: tuple[IssueRequest, ...]
    asked: Request
    refused: tuple[str, ...] = ()
    """What the issuers before it in the list said."""


Ended = tuple[Job, Obtained | Waiting | CertctlError]
"""A job, and how it ended."""


def run(
    spec: Spec,
    jobs: Sequence[Job],
    work: Callable[[Job], Obtained | Waiting],
    most: int,
    outside: Callable[[], AbstractContextManager[None]] = nullcontext,
    gather: float = 0.0,
) -> Iterator[list[Ended]]:
    """Do *jobs*, several at once where there are several: of each issuer as many as it takes.

    So one that is slow keeps nobody waiting whom another one serves. Yields what has
    ended as soon as anything has: all of it, up to *most*. While that is kept, the
    others go on. It is waited for *outside*, and, once one has ended, for those that
    end within *gather* seconds from then.
    """
    if len(jobs) == 1:
        with outside():
            only = _outcome_of(lambda: work(jobs[0]))
        yield [(jobs[0], only)]
        return
    from queue import Empty, SimpleQueue

    from certctl.system.pool import Pool

    ended: SimpleQueue[Ended] = SimpleQueue()
    issuers: dict[str, list[Job]] = {}
    for job in jobs:
        issuers.setdefault(job.cert.issuers[0], []).append(job)
    with contextlib.ExitStack() as open_pools:
        pools = []
        try:
            for name, its in issuers.items():
                threads = min(len(its), at_once(spec, name))
                pool = open_pools.enter_context(Pool(threads, thread_name_prefix="issue"))
                pools.append(pool)
                for job in its:
                    pool.submit(lambda job=job: ended.put((job, _outcome_of(lambda: work(job)))))  # type: ignore[misc]
            left = len(jobs)
            while left:
                with outside():
                    found = [ended.get()]
                    until = time.monotonic() + gather
                    with contextlib.suppress(Empty):
                        while len(found) < min(left, most):
                            wait = until - time.monotonic()
                            found.append(ended.get(timeout=wait) if wait > 0 else ended.get_nowait())
                left -= len(found)
                yield found
        except BaseException:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            raise


def at_once(spec: Spec, issuer: str) -> int:
    """How many certificates of *issuer* are under way at the same time."""
    acme = spec.issuers[issuer].acme
    return acme.max_orders if acme else AT_ONCE


def _outcome_of(work: Callable[[], Obtained | Waiting]) -> Obtained | Waiting | CertctlError:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  # one certificate's bug must not keep the others from being served
        return surprise.told(error)


def obtain(adapters: Adapters, job: Job) -> Obtained | Waiting:
    """Ask the certificate's issuers in turn until one gives a certificate that may be served."""
    now = adapters.clock()
    adopted = _adopt(adapters, job, now)
    if adopted is not None:
        return adopted
    # A disk that fails here is no issuer's fault: asking the next one would not help.
    requests = _requests(adapters, job, now)
    errors: list[CertctlError] = []
    for name in job.cert.issuers:
        try:
            got = _ask(adapters, job, name, requests)
            told = tuple(error.message for error in errors)
            return got if isinstance(got, Waiting) else got._replace(refused=told)
        except Exception as caught:  # noqa: BLE001  # whatever one issuer answers, the next one is asked
            # An issuer may tell several certificates by one and the same error: it is not touched.
            error = surprise.told(caught).within(f"issuer {name}")
            errors.append(error)
            if name != job.cert.issuers[-1]:
                adapters.report(Event(job.cert.name, f"{error.message}; asking the next issuer", "warning"))
    if len(errors) == 1:
        raise errors[0]
    waits = [error.retry_after for error in errors if error.retry_after]
    raise CertctlError(
        "; ".join(error.message for error in errors),
        next((error.hint for error in errors if error.hint), None),
        retry_after=min(waits, default=None),
    )


def _ask(
    adapters: Adapters, job: Job, issuer_name: str, requests: Sequence[IssueRequest]
) -> Obtained | Waiting:
    issuer = adapters.issuer(issuer_name)
    answers: list[Issued] = []
    waits: list[Waiting] = []
    for request in requests:
        with _alone(adapters, job, issuer):
            answer = issuer.issue(request)
        if isinstance(answer, Waiting):
            waits.append(answer)
        else:
            answers.append(answer)
    if waits:
        return Waiting("; ".join(dict.fromkeys(wait.reason for wait in waits)))
    asked = Request(job.cert.names, issuer_name, requests[0].now)
    got = _checked(job, requests, answers, asked, adapters.clock())
    if issuer.spec.type != "csr":
        _check_it_helps(job, got, adapters.clock())
    return got


def _check_it_helps(job: Job, got: Obtained, now: datetime) -> None:
    """Refuse what would take the place of something better: the same once more, or what ends earlier.

    Where more than time asks for it (names, a person, the CA's advice), an earlier end is no reason.
    """
    old = job.generation
    had = [key.certificate for key in old.keys if key.certificate is not None]
    if not old.issuance or not old.valid_at(now) or len(had) != len(got.records):
        return
    if not job.damaged and all(new.sha256 == one.sha256 for new, one in zip(got.records, had, strict=True)):
        raise IssuerError("it gave the certificate that is there already")
    asked_for = job.state.renewal_wanted and old is job.state.current
    same = set(old.names) == set(job.cert.names) and old.issued_by == got.issuer
    end, new_end = min(one.not_after for one in had), min(one.not_after for one in got.records)
    ahead = old.issued_at is not None and old.issued_at > now
    if same and not asked_for and not job.damaged and not ahead and old.advice is None and new_end < end:
        raise IssuerError(
            f"it gave a certificate that ends {minute_text(new_end)}, before the one that is there, "
            f"{minute_text(end)}",
            f"if it is wanted all the same: certctl renew {job.cert.name}",
        )


def asks_outside(spec: Spec, cert: CertificateSpec) -> bool:
    """Whether one of the issuers of *cert* asks somebody outside."""
    return any(spec.issuers[name].type in OUTSIDE for name in cert.issuers)


def in_hand(spec: Spec, cert: CertificateSpec) -> list[str]:
    """What is taken in hand to issue for *cert*: no two processes ask for it, or use one ACME account."""
    accounts = [f"issuer {name}" for name in cert.issuers if spec.issuers[name].type == "acme"]
    return [f"certificate {cert.name}", *accounts]


def fits(job: Job, seen: CertificateSeen) -> bool:
    """Whether what *job* asked for is still what its slot is without: the same keys, nothing issued since."""
    now = seen.state.slot(job.step.slot or "next")
    if now is None or seen.unreadable is not None:
        return False
    return _asked_for(now) == _asked_for(job.generation)


def _asked_for(generation: Generation) -> tuple[int, int, int, list[str]]:
    keys = [key.sha256 for key in generation.keys]
    return generation.number, generation.issuance, generation.highest, keys


def _alone(adapters: Adapters, job: Job, issuer: Issuer) -> AbstractContextManager[None]:
    """The lock, for an issuer of this host that keeps files of its own, where others were asked before it."""
    needed = job.is_outside and issuer.spec.type not in OUTSIDE
    return adapters.inside() if needed else nullcontext()


def _requests(adapters: Adapters, job: Job, now: datetime) -> tuple[IssueRequest, ...]:
    store, name = adapters.store, job.cert.name
    work = store.work_directory(name, job.generation)
    replaces: dict[str, bytes] = {}
    predecessor = _predecessor(job)
    if predecessor is not None:
        with contextlib.suppress(CertctlError):
            materials = store.read_materials(name, predecessor)
            replaces = {material.algorithm: material.leaf for material in materials}
    return tuple(
        IssueRequest(
            certificate=name,
            generation=job.generation.number,
            algorithm=key.algorithm,
            names=job.cert.names,
            key_pem=store.read_key(name, job.generation, key),
            validity=job.cert.validity,
            now=now,
            work_dir=work,
            replaces=replaces.get(key.algorithm),
            sure=job.sure,
        )
        for key in job.generation.keys
    )


def _predecessor(job: Job) -> Generation | None:
    """The generation whose certificates go out of use with the new ones, if there are any (RFC 9773 §5).

    A certificate can be replaced once. A next key gets its certificate when it is promoted, and takes
    the place of the current one; a pinned certificate is issued ahead of that, and if it ages while it
    is held, the one that comes after it replaces the waiting one, which replaced the current one before.
    """
    waiting = job.step.slot == "next" and job.cert.pin == "certificate" and job.generation.issuance
    found = job.generation if waiting else job.state.current
    return found if found is not None and found.issuance else None


def _checked(
    job: Job, requests: Sequence[IssueRequest], answers: Sequence[Issued], asked: Request, now: datetime
) -> Obtained:
    """Refuse whatever may not be served; read off what state must know."""
    from certctl.x509.certificate import certificate_facts
    from certctl.x509.chain import check_chain

    materials, records = [], []
    for key, request, answer in zip(job.generation.keys, requests, answers, strict=True):
        check_chain(answer.chain, spki_sha256=key.sha256, names=job.cert.names, now=now, root=answer.root)
        facts = certificate_facts(answer.chain[0])
        materials.append(
            Material(key.algorithm, request.key_pem, answer.chain[0], tuple(answer.chain[1:]), answer.root)
        )
        records.append(CertificateRecord(*facts.certificate, facts.serial, facts.not_before, facts.not_after))
    return Obtained(asked.issuer, tuple(materials), tuple(records), tuple(requests), asked)


def _adopt(adapters: Adapters, job: Job, now: datetime) -> Obtained | None:
    """What was issued just before a crash, if it is still wanted: no second certificate is ordered."""
    from certctl.x509.chain import order_chain

    found = adapters.store.unrecorded_issuance(job.cert.name, job.generation)
    if found is None:
        return None
    asked, heaps = found
    if asked.issuer not in job.cert.issuers or set(asked.names) != set(job.cert.names):
        return None
    if job.state.renewal_wanted and job.generation is job.state.current:
        fresh = job.generation.issued_at
        if fresh is not None and asked.issued_at <= fresh:
            return None
    try:
        answers = []
        for key, heap in zip(job.generation.keys, heaps, strict=True):
            chain, root = order_chain(heap, key.sha256)
            answers.append(Issued(tuple(chain), root))
        return _checked(job, _requests(adapters, job, now), answers, asked, now)
    except CertctlError:
        return None


def issued(adapters: Adapters, job: Job, got: Obtained, now: datetime) -> tuple[CertificateState, Change]:
    """What was obtained, and the state that counts it."""
    slot = job.step.slot or "next"
    state = transitions.issued(
        job.state,
        slot,
        got.records,
        names=got.asked.names,
        issuer=got.issuer,
        now=now,
        new_pins=job.cert.pin == "certificate" and slot == "next",
    )
    state = transitions.without_failure(state, "issue")
    if slot == "current" and job.cert.probe:
        state = state._replace(unproved="renewal")
    generation = state.slot(slot)
    assert generation is not None
    return state, adapters.store.new_issuance(generation, got.materials, got.asked, state)


def finish(adapters: Adapters, got: Obtained) -> None:
    """What was obtained is durable: the issuer may forget its notes."""
    issuer = adapters.issuer(got.issuer)
    for request in got.requests:
        issuer.finish(request)


def after_failure(spec: Spec, job: Job, error: CertctlError, now: datetime) -> CertificateState:
    """The state with the failure in it, and when it is tried again."""
    before = job.state.failure("issue")
    basis = issue_basis(spec, job.cert, job.state, job.step.slot or "next")
    attempts = before.attempts + 1 if before and before.basis == basis else 1
    kinds = [spec.issuers[name].type for name in job.cert.issuers]
    waits = [_BACK_OFF[kind] for kind in kinds if kind in _BACK_OFF]
    retry_at = None
    if waits and not all(kind in LOCAL_ISSUERS for kind in kinds):
        base, cap = min(waits)
        retry_at = retry.back_off(attempts, base, cap, now, error.retry_after, _longest_wait(job, now))
    failure = Failure("issue", job.cert.name, error.message, error.hint, now, attempts, retry_at, basis)
    return transitions.failed(job.state, failure)


def _longest_wait(job: Job, now: datetime) -> float | None:
    """Seconds that a CA may put an order off: a tenth of what is left of the certificate that is served."""
    end = job.state.current.not_after if job.state.current else None
    return None if end is None else max((end - now).total_seconds(), 0.0) * REST_SHARE


def after_wait(spec: Spec, job: Job, answer: Waiting) -> CertificateState:
    """The state of a certificate that somebody outside must help along."""
    basis = issue_basis(spec, job.cert, job.state, job.step.slot or "next")
    state = transitions.without_failure(job.state, "issue")
    return state._replace(waiting=Wait(answer.reason, basis))
