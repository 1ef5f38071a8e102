"""Whether a host is at rest: what a pass would meet again and again until a moment or a change comes."""

from __future__ import annotations

from datetime import datetime

from certctl.core.holds import has_expired, trouble
from certctl.core.observed import AnnouncerSeen, CertificateSeen, World
from certctl.core.spec import CertificateSpec, Spec
from certctl.core.steps import Plan


def at_rest(spec: Spec, world: World, made: Plan) -> bool:
    """Whether nothing at all is to be done or told before `Plan.next_pass_at`, while nothing changes.

    The feeds of peers are fetched by every pass, so with them no host is at rest.
    """
    if (
        made.steps
        or world.clock.doubt
        or world.peers
        or world.maps
        or not all(map(_is_seen, world.announcers.values()))
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


def _is_seen(announcer: AnnouncerSeen) -> bool:
    """Whether all that is announced is in place, and was seen wherever it has to be."""
    return not (announcer.problem or announcer.unseen or announcer.failure)
