"""Proving: a change counts when it was seen served; if it is not, what was served before comes back.

Level-triggered like hooks: a promotion or renewal is remembered as unproved until
the probes agree, so a crash in between asks them again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from certctl.engine.ledger import Ledger
from certctl.engine.outcome import Failed
from certctl.errors import CertctlError
from certctl.planning import transitions
from certctl.planning.host_rules import changed_files
from certctl.planning.observed import World
from certctl.planning.retry import issue_basis
from certctl.planning.spec import DAY, CertificateSpec, Spec
from certctl.planning.state import CertificateState, Failure
from certctl.planning.steps import Step
from certctl.planning.times import minute_text
from certctl.system import deadline, surprise

RENEWED_AGAIN = DAY
"""Seconds after which a renewal that was taken back is tried again; less where the old one ends sooner."""


class Proved(NamedTuple):
    """What came of looking at one certificate."""

    state: CertificateState
    """To be kept."""
    problems: tuple[str, ...]
    reverted: bool
    """Whether the files are to go back to what was served before."""


def due(spec: Spec, world: World, only: Collection[str] | None) -> list[str]:
    """Certificates whose change is on disk and delivered, and has not been seen served.

    A hook that failed has told the server nothing: its certificates wait for it.
    """
    names = []
    for name, seen in world.certificates.items():
        cert = spec.certificates[name]
        if not seen.state.unproved or not cert.probe or (only is not None and name not in only):
            continue
        hooks = {hook for file in cert.files for hook in file.hooks} | set(cert.hooks)
        delivered = not any(changed_files(world.hooks[hook]) for hook in hooks)
        if delivered and not any(file.problem for file in seen.files):
            names.append(name)
    return names


def prove(ledger: Ledger, names: Sequence[str]) -> list[str]:
    """Look at what is served of *names*, keep the verdicts; those whose files are to go back."""
    reverted = []
    for name, problems in _look(ledger, names).items():
        cert = ledger.spec.certificates[name]
        verdict = judge(ledger.spec, cert, ledger.state(name), problems, ledger.now)
        due = Step("rollback" if verdict.reverted else "promote", name, "; ".join(problems) or "proved")
        ledger.guard(due, partial(ledger.save, verdict.state))
        ledger.look_again([name])
        if not problems:
            ledger.tell(name, f"proved: {', '.join(cert.probe)} serve it", "detail")
            continue
        error = CertctlError(problems[0], f"see: certctl probe {name}")
        ledger.outcome.failed.append(Failed(due, error))
        event = partial(ledger.store.journal, ledger.now, "probe-failed", name, error=problems[0])
        ledger.guard(due, event)
        if verdict.reverted:
            ledger.tell(name, f"what was served before comes back: {problems[0]}", "warning")
            reverted.append(name)
    return reverted


def _look(ledger: Ledger, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Probe all of *names* at once; what is wrong with each."""
    if not names:
        return {}
    from certctl.system.pool import Pool

    states = {name: ledger.state(name) for name in names}
    try:
        deadline.left(0.0)
    except CertctlError as error:
        # Nobody looked, which proves nothing: what is served stays, and the next pass looks.
        ledger.tell(names[0], f"not proved yet: {error.message}", "warning")
        return {}

    def one(name: str) -> tuple[str, ...]:
        try:
            return tuple(ledger.adapters.prove(ledger.spec.certificates[name], states[name]))
        except Exception as error:  # noqa: BLE001  # what one server answers keeps no other from being proved
            return (surprise.told(error).message,)

    with ledger.outside(), Pool(min(len(names), 20), thread_name_prefix="probe") as pool:
        found = dict(zip(names, pool.map(one, names), strict=True))
    # What another certctl has put in its place meanwhile was not looked at.
    return {name: said for name, said in found.items() if _same(ledger.state(name), states[name])}


def _same(state: CertificateState, before: CertificateState) -> bool:
    return (state.current, state.unproved) == (before.current, before.unproved)


def judge(
    spec: Spec, cert: CertificateSpec, state: CertificateState, problems: tuple[str, ...], now: datetime
) -> Proved:
    """What to keep and what to do, given what the probes said."""
    if not problems:
        proved = transitions.without_failure(state, "probe")
        return Proved(proved._replace(unproved=""), (), reverted=False)
    failure = Failure("probe", cert.name, problems[0], f"see it: certctl probe {cert.name}", now)
    failed = transitions.failed(state, failure)
    if cert.on_failed_probe == "keep" or state.unproved == "rollback":
        return Proved(failed, problems, reverted=False)
    before = state.previous
    if state.unproved == "promotion" and before and before.valid_at(now) and not before.compromised:
        assert state.current is not None
        number, when = state.current.number, minute_text(now)
        held = f"generation {number} was promoted {when} and rolled back: {problems[0]}"
        reverted = failed._replace(rollback_wanted=True, held=held, unproved="rollback")
        return Proved(reverted, problems, reverted=True)
    if state.unproved == "renewal" and state.current is not None and state.current.before is not None:
        ends = min(record.not_after for record in state.current.before.certificates)
        if ends > now:
            taken_back = _renewal_taken_back(spec, cert, failed, ends, problems, now)
            return Proved(taken_back, problems, reverted=True)
    return Proved(failed, problems, reverted=False)


def _renewal_taken_back(
    spec: Spec,
    cert: CertificateSpec,
    state: CertificateState,
    ends: datetime,
    problems: tuple[str, ...],
    now: datetime,
) -> CertificateState:
    """The certificates before are current again; the next renewal waits, so that it does not flap."""
    wait = min(RENEWED_AGAIN, (ends - now).total_seconds() / 4)
    basis = issue_basis(spec, cert, state, "current")
    message = f"the renewed certificate was taken back: {problems[0]}"
    hint = f"when it is mended: certctl renew {cert.name}"
    waiting = Failure("issue", cert.name, message, hint, now, 1, now + timedelta(seconds=wait), basis)
    return transitions.failed(transitions.renewal_undone(state), waiting)._replace(unproved="rollback")
