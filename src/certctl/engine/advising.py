"""Asking CAs when they would like renewals (RFC 9773), as often as they want to be asked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from typing import cast

from certctl.engine.ledger import Ledger
from certctl.engine.outcome import Event
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError
from certctl.planning import transitions
from certctl.planning.observed import World
from certctl.planning.spec import DAY, HOUR, CertificateSpec, Spec
from certctl.planning.state import Generation
from certctl.planning.times import after
from certctl.ports import RenewalAdviser
from certctl.system import surprise

AT_ONCE = 10
LONGEST_ASK = 30 * DAY
"""Seconds that a CA that fails may be left alone, whatever it says."""
SHARE = 0.25
"""Of the time for others: a certificate is worth more than advice on when to ask for it."""
ASK_AGAIN = 6 * HOUR
"""Seconds until a CA that did not answer is asked again (RFC 9773 §4.3 allows for one of one's own)."""


def due(spec: Spec, cert: CertificateSpec, current: Generation | None, now: datetime) -> bool:
    """Whether the CA of *current* gives advice and wants to be asked now."""
    if current is None or current.issued_by is None or cert.renew_before is not None:
        return False
    issuer = spec.issuers.get(current.issued_by)
    if issuer is None or issuer.acme is None or not issuer.acme.ari:
        return False
    ask_at = current.advice.check_at if current.advice else current.ask_advice_at
    # What lies further ahead than a CA may put it off was written by a clock that was ahead.
    return ask_at is None or ask_at <= now or ask_at > after(now, LONGEST_ASK)


def refresh(ledger: Ledger, only: Collection[str] | None) -> None:
    """Ask for every certificate whose time has come, several at once.

    A CA that does not answer holds up nothing: the advice before, or the share of
    the lifetime, decides.
    """
    spec, adapters, world = ledger.spec, ledger.adapters, ledger.world
    now = adapters.clock()
    names = [
        name
        for name, seen in world.certificates.items()
        if seen.unreadable is None
        and (only is None or name in only)
        and due(spec, spec.certificates[name], seen.state.current, now)
    ]
    if not names:
        return
    from certctl.system.pool import Pool

    currents = [current for name in names if (current := world.certificates[name].state.current)]
    with (
        ledger.share(SHARE),
        ledger.outside(),
        Pool(min(len(names), AT_ONCE), thread_name_prefix="advice") as pool,
    ):
        answers = list(pool.map(partial(_ask, adapters, now), names, currents))
    for name, generation in zip(names, answers, strict=True):
        _keep(adapters, world, name, generation)


def _ask(adapters: Adapters, now: datetime, name: str, current: Generation) -> Generation:
    """*current* with what its CA advises, and with when to ask again."""
    again = now + timedelta(seconds=ASK_AGAIN)
    assert current.issued_by is not None
    try:
        issuer = cast(RenewalAdviser, adapters.issuer(current.issued_by))
        leaves = [material.leaf for material in adapters.store.read_materials(name, current)]
        advice = issuer.renewal_info(leaves[0], current.advice, now)
        for leaf in leaves[1:]:
            # One certificate that is to go now (it was revoked, say) takes the others along.
            other = issuer.renewal_info(leaf, None, now)
            if other is not None and other.renew_at <= now:
                advice = other
    except Exception as error:  # noqa: BLE001  # advice is not needed, so nothing of it stops a pass
        why = surprise.told(error).message
        adapters.report(Event(name, f"no renewal advice: {why}", "detail"))
        if current.advice is None:
            return current._replace(ask_advice_at=again)
        return current._replace(advice=current.advice._replace(check_at=again))
    return current._replace(advice=advice, ask_advice_at=again if advice is None else None)


def _keep(adapters: Adapters, world: World, name: str, generation: Generation) -> None:
    seen = world.certificates[name]
    current = seen.state.current
    if current is None or (current.number, current.issuance) != (generation.number, generation.issuance):
        return
    advised = current._replace(advice=generation.advice, ask_advice_at=generation.ask_advice_at)
    if advised == current:
        return
    state = transitions.with_slot(seen.state, "current", advised)
    try:
        adapters.store.save(state)
    except CertctlError as error:
        adapters.report(Event(name, f"renewal advice could not be kept: {error.message}", "warning"))
        return
    world.certificates[name] = seen._replace(state=state)
