"""What one certificate needs: an ordered set of rules, each comparing what is wanted with what was seen."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from certctl.planning.clock import JUMP
from certctl.planning.due import paused_until, renew_at, rotate_at
from certctl.planning.gate import gate
from certctl.planning.observed import CertificateSeen
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import Generation
from certctl.planning.steps import (
    PHASE_FILES,
    PHASE_ISSUE,
    PHASE_KEYS,
    PHASE_LOCAL_ISSUE,
    PHASE_RETIRE,
    Step,
)
from certctl.planning.times import after, duration_text, minute_text

LOCAL_ISSUERS = ("self-signed", "private-ca")


class Case(NamedTuple):
    """One certificate at one moment."""

    spec: Spec
    cert: CertificateSpec
    seen: CertificateSeen
    now: datetime
    doubt: str | None = None
    """Why *now* is not believed."""
    promotion: str | None = None
    """Why next should become current, whether or not it may yet (`promotion_reason`)."""

    @property
    def pins_certificates(self) -> bool:
        return self.cert.pin == "certificate"


def case_of(
    spec: Spec, cert: CertificateSpec, seen: CertificateSeen, now: datetime, doubt: str | None = None
) -> Case:
    """The case, with the reason for a promotion worked out once for all rules."""
    case = Case(spec, cert, seen, now, doubt)
    return case._replace(promotion=promotion_reason(case))


def rotation_reason(case: Case, ahead: float = 0.0) -> str | None:
    """Why the current keys should give way, now or within *ahead* seconds; None: they should not."""
    state, cert = case.seen.state, case.cert
    if state.current is None:
        return None
    if state.forced:
        return "the current key is compromised" if state.current.compromised else "forced"
    if state.rotation:
        return "a rotation was asked for"
    if "current" in case.seen.lost:
        return "the current key is missing from disk"
    if not _same_keys(state.current, cert):
        return f"keys are configured as {_words(cert.keys)}, served are {_words(state.current.algorithms)}"
    due = None if case.doubt else rotate_at(cert, state.current)
    if due is not None and state.held is None and due <= case.now + timedelta(seconds=ahead):
        return f"the current key has been served since {_since(state.current)}, rotate_every {_every(cert)}"
    return None


def renewal_reason(case: Case, generation: Generation, ahead: float = 0.0) -> str | None:
    """Why *generation* needs new certificates, now or within *ahead* seconds; None: it does not."""
    cert, state = case.cert, case.seen.state
    if generation is state.current and state.renewal_wanted:
        return "a renewal was asked for"
    if generation.issuance == 0:
        return "it has no certificate yet"
    if case.seen.damaged and any(state.slot(slot) is generation for slot in case.seen.damaged):
        return "its certificate files are missing or damaged"
    if generation.names != cert.names and set(generation.names) != set(cert.names):
        return f"names are configured as {_words(cert.names)}, the certificate has {_words(generation.names)}"
    if generation.issued_by not in cert.issuers:
        return (
            f"issuer is configured as {_words(cert.issuers)}, the certificate is from {generation.issued_by}"
        )
    yet = None if case.doubt else _yet_to_come(generation, case.now)
    if yet is not None:
        return yet
    due, end, pause = renew_at(cert, generation), generation.not_after, paused_until(cert, generation)
    if pause is not None and case.now < pause:
        return None
    if due is not None and end is not None and min(due, end) <= case.now + timedelta(seconds=ahead):
        verb = "expired" if end <= case.now else "expires"
        return f"it {verb} {minute_text(end)}{_advised(case, generation)}"
    return None


def _yet_to_come(generation: Generation, now: datetime) -> str | None:
    """What a clock that was ahead has left in the certificates of *generation*; None: nothing."""
    if generation.not_before is not None and generation.not_before > now:
        return f"it is not valid before {minute_text(generation.not_before)}"
    if generation.issued_at is not None and generation.issued_at > now + JUMP:
        return f"it was issued by a clock that was ahead, {minute_text(generation.issued_at)}"
    return None


def fits(case: Case, generation: Generation) -> bool:
    """Whether the certificates of a waiting *generation* could be served as they are."""
    return generation.valid_at(case.now) and renewal_reason(case, generation) is None


def may_promote(case: Case) -> bool:
    """Whether the gate is open for the next generation, or a person forced it.

    By a clock that is not believed no hold-down is over.
    """
    state = case.seen.state
    if state.next is None or "next" in case.seen.lost or not _same_keys(state.next, case.cert):
        return False
    if case.seen.conflicts:
        return False
    if state.current is None or state.forced or case.seen.served_next:
        return True
    return case.doubt is None and gate(case.cert, state.next, case.now).open


def promotion_reason(case: Case) -> str | None:
    """Why next should become current, whether or not it may yet."""
    state = case.seen.state
    if state.next is None:
        return None
    if state.current is None:
        return "it is the first, which nobody can pin yet"
    if case.seen.served_next:
        return f"{case.seen.served_next} holds its key already: the state is older than what is served"
    reason = rotation_reason(case)
    if reason is None and case.pins_certificates and state.next.issuance:
        reason = "a renewed certificate stands ready"
    return reason


def rolls_back(case: Case) -> bool:
    """Whether a rollback was asked for that can be done; one to a key that is lost holds up nothing."""
    state = case.seen.state
    if not state.rollback_wanted or state.previous is None or state.previous.compromised:
        return False
    if case.seen.served_next:
        return False
    return "previous" not in case.seen.lost


def rollback(case: Case) -> Iterator[Step]:
    state = case.seen.state
    if not rolls_back(case) or state.previous is None or case.seen.conflicts:
        return
    if state.previous.valid_at(case.now) and "previous" not in case.seen.damaged:
        reason = f"generation {state.previous.number} was asked back"
        yield Step("rollback", case.cert.name, reason, slot="previous")
    else:
        yield Step(
            "issue", case.cert.name, "the previous key needs a valid certificate first", slot="previous"
        )


def promote(case: Case) -> Iterator[Step]:
    state = case.seen.state
    if not case.promotion or state.next is None or rolls_back(case):
        return
    if may_promote(case) and fits(case, state.next):
        yield Step("promote", case.cert.name, case.promotion, slot="next")


def write(case: Case) -> Iterator[Step]:
    if case.seen.state.current is None or "current" in case.seen.lost | case.seen.damaged:
        return
    if case.seen.served_next:
        return
    for file in case.seen.files:
        if file.problem and file.conflict is None:
            yield Step("write", case.cert.name, f"{file.path} {file.problem}", path=file.path)


def make_key(case: Case) -> Iterator[Step]:
    state, cert = case.seen.state, case.cert
    if state.current is None and case.seen.conflicts:
        return
    if case.doubt is not None and state.current is not None and not state.forced:
        # By a clock that is not believed no hold-down can begin.
        return
    if state.next is not None:
        if "next" in case.seen.lost:
            yield Step("make-key", cert.name, "the next key is missing from disk", slot="next")
        elif not _same_keys(state.next, cert):
            had, want = _words(state.next.algorithms), _words(cert.keys)
            yield Step(
                "make-key", cert.name, f"keys are configured as {want}, the next has {had}", slot="next"
            )
    elif state.current is None:
        yield Step("make-key", cert.name, "there is no key yet", slot="next")
    elif not case.pins_certificates:
        yield Step("make-key", cert.name, "a next key stands ready at all times", slot="next")
    else:
        rotation = rotation_reason(case, ahead=cert.hold_down)
        reason = rotation or renewal_reason(case, state.current, ahead=cert.hold_down)
        if reason:
            yield Step("make-key", cert.name, reason, slot="next", reuse=rotation is None)


def issue(case: Case) -> Iterator[Step]:
    state, name = case.seen.state, case.cert.name
    if rolls_back(case):
        return
    if state.next is not None and "next" not in case.seen.lost and _same_keys(state.next, case.cert):
        promotes = case.promotion is not None and may_promote(case)
        # A certificate that is pinned is issued early, so that it can be announced.
        early = case.pins_certificates and state.current is not None and case.doubt is None
        why = renewal_reason(case, state.next) if promotes or early else None
        if why:
            first = state.current is None
            reason = "there is no certificate yet" if first else f"for the next key: {case.promotion or why}"
            yield Step("issue", name, reason, slot="next")
        if why or promotes:
            return
    if state.current and "current" not in case.seen.lost and not case.pins_certificates:
        why = renewal_reason(case, state.current)
        if why:
            yield Step("issue", name, why, slot="current")


def retire(case: Case) -> Iterator[Step]:
    if case.doubt is not None or any(file.problem for file in case.seen.files):
        # A file that could not be written may hold the key of a generation that is to go.
        return
    state = case.seen.state
    for number in state.retired:
        if number in state.aside and case.now < after(state.aside[number], case.cert.hold_down):
            continue
        yield Step("retire", case.cert.name, f"generation {number} is in no slot any more", generation=number)


RULES: tuple[Callable[[Case], Iterator[Step]], ...] = (rollback, promote, write, make_key, issue, retire)


def phase(spec: Spec, seen: CertificateSeen, step: Step) -> int:
    """Where in the order of a pass *step* belongs."""
    if step.kind in ("rollback", "promote", "write"):
        return PHASE_FILES
    if step.kind == "retire":
        return PHASE_RETIRE
    cert = spec.certificates[step.subject]
    local = spec.issuers[cert.issuers[0]].type in LOCAL_ISSUERS
    if step.kind == "issue":
        return PHASE_LOCAL_ISSUE if local else PHASE_ISSUE
    return PHASE_LOCAL_ISSUE if local and seen.state.current is None else PHASE_KEYS


def _same_keys(generation: Generation, cert: CertificateSpec) -> bool:
    algorithms = generation.algorithms
    return algorithms == cert.keys or set(algorithms) == set(cert.keys)


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(words)


def _advised(case: Case, generation: Generation) -> str:
    advice = generation.advice
    if advice is None or case.cert.renew_before is not None:
        return ""
    more = f", see {advice.explanation_url}" if advice.explanation_url else ""
    return f"; the CA advises {minute_text(advice.renew_at)}{more}"


def _since(generation: Generation) -> str:
    return minute_text(generation.rotates_from) if generation.rotates_from else "-"


def _every(cert: CertificateSpec) -> str:
    return duration_text(cert.rotate_every or 0)
