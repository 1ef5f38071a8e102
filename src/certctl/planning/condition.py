"""How a certificate fares, in one word; and whether a host is at rest until a moment or a change comes."""

from __future__ import annotations

from datetime import datetime

from certctl.planning.gate import gate
from certctl.planning.host_rules import undelivered
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, World
from certctl.planning.rules import Case, promotion_reason
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import CertificateState
from certctl.planning.steps import Plan
from certctl.planning.times import minute_text


def has_expired(seen: CertificateSeen, now: datetime) -> bool:
    """Whether what is served is valid no more."""
    current = seen.state.current
    return current is not None and current.not_after is not None and current.not_after <= now


def trouble(seen: CertificateSeen, now: datetime) -> str | None:
    """What is wrong with the current generation that no step can mend at once."""
    if seen.conflicts:
        return seen.conflicts[0].conflict
    current = seen.state.current
    if current is None:
        return None
    if "current" in seen.lost:
        return (
            f"the key of generation {current.number} is missing from disk; "
            f"the next one takes its place once it may, or at once: certctl rotate --force {seen.state.name}"
        )
    start = current.not_before
    if start is not None and start > now:
        return f"the certificate is not valid before {minute_text(start)}: is the clock right?"
    return None


def undelivered_through(world: World, cert: CertificateSpec) -> str | None:
    """Why what is on disk has not reached servers or peers: a hook or an announcer of *cert* that fails."""
    for file in world.certificates[cert.name].files:
        for name in file.hooks:
            hook = world.hooks.get(name)
            if hook is not None and hook.state.attempts and undelivered([file], {name: hook}):
                status = hook.state.exit_status
                return f"hook {name} fails with exit status {status}: the server may have the old {file.path}"
    for name in cert.announce:
        seen = world.announcers.get(name)
        if seen is not None and seen.failure is not None:
            return f"announcer {name} fails: {seen.failure.message}"
    return None


def condition(spec: Spec, cert: CertificateSpec, world: World, now: datetime, due: bool) -> str:
    """The one word for a certificate: new ok due held failing expired. *due*: the plan has steps for it."""
    seen = world.certificates[cert.name]
    state: CertificateState = seen.state
    if seen.unreadable is not None:
        return "failing"
    if has_expired(seen, now):
        return "expired"
    if state.failures or seen.conflicts or trouble(seen, now) or undelivered_through(world, cert):
        return "failing"
    if state.current is None:
        return "held" if state.waiting else "new"
    if state.waiting or state.held:
        return "held"
    promotion, doubt = promotion_reason(Case(spec, cert, seen, now)), world.clock.doubt
    if promotion and state.next and not state.forced and (doubt or not gate(cert, state.next, now).open):
        return "held"
    return "due" if due else "ok"


def at_rest(spec: Spec, world: World, made: Plan) -> bool:
    """Whether nothing at all is to be done or told before `Plan.next_pass_at`, while nothing changes.

    The feeds of peers are fetched by every pass, so with them no host is at rest.
    """
    if (
        made.steps
        or world.clock.doubt
        or world.peers
        or world.maps
        or not all(map(_is_in_place, world.announcers.values()))
    ):
        return False
    if any(hold.bad for hold in made.holds):
        return False
    if any(seen.state.failures or seen.unreadable for seen in world.dhparams.values()):
        return False
    if any(seen.unreadable for seen in world.hooks.values()):
        return False
    return all(_at_rest(spec.certificates[name], seen, made.now) for name, seen in world.certificates.items())


def _at_rest(cert: CertificateSpec, seen: CertificateSeen, now: datetime) -> bool:
    if has_expired(seen, now):
        return False
    odd = seen.unreadable or seen.recovered or seen.amended or seen.lost or seen.damaged or seen.conflicts
    state = seen.state
    to_prove = state.unproved and cert.probe
    return not (odd or to_prove or state.failures or state.waiting or trouble(seen, now))


def _is_in_place(announcer: AnnouncerSeen) -> bool:
    """Whether all that is announced is in place, and was seen wherever it has to be."""
    return not (announcer.problem or announcer.unseen or announcer.failure)
