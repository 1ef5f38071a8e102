"""Asking CAs when they would like renewals (RFC 9773), as often as they want to be asked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

from certctl.core import effects
from certctl.core.model import Generation
from certctl.core.observed import World
from certctl.core.spec import HOUR, CertificateSpec, Spec
from certctl.engine.outcome import Event
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError
from certctl.ports import RenewalAdviser

ASK_AGAIN = 6 * HOUR
"""Seconds until a CA that did not answer is asked again (RFC 9773 §4.3 allows for one of one's own)."""


def due(spec: Spec, cert: CertificateSpec, current: Generation | None, now: datetime) -> bool:
    """Whether the CA of *current* gives advice and wants to be asked now."""
    if current is None or current.issued_by is None or cert.renew_before is not None:
        return False
    issuer = spec.issuers.get(current.issued_by)
    if issuer is None or issuer.acme is None or not issuer.acme.ari:
        return False
    return current.advice is None or current.advice.check_at <= now


def refresh(spec: Spec, adapters: Adapters, world: World, only: Collection[str] | None) -> None:
    """Ask for every certificate whose time has come.

    A CA that does not answer holds up nothing: the advice before, or the share of
    the lifetime, decides.
    """
    for name, seen in list(world.certificates.items()):
        current, now = seen.state.current, adapters.clock()
        wanted = only is None or name in only
        if seen.unreadable is None and wanted and due(spec, spec.certificates[name], current, now):
            _ask(adapters, world, name)


def _ask(adapters: Adapters, world: World, name: str) -> None:
    seen = world.certificates[name]
    current, now = seen.state.current, adapters.clock()
    assert current is not None
    assert current.issued_by is not None
    try:
        issuer = cast(RenewalAdviser, adapters.issuer(current.issued_by))
        leaf = adapters.store.read_materials(name, current)[0].leaf
        advice = issuer.renewal_info(leaf, current.advice, now)
    except CertctlError as error:
        adapters.report(Event(name, f"no renewal advice: {error.message}", "detail"))
        if current.advice is None:
            return
        advice = current.advice._replace(check_at=now + timedelta(seconds=ASK_AGAIN))
    if advice == current.advice:
        return
    state = effects.advised(seen.state, "current", advice)
    try:
        adapters.store.save(state)
    except CertctlError as error:
        adapters.report(Event(name, f"renewal advice could not be kept: {error.message}", "warning"))
        return
    world.certificates[name] = seen._replace(state=state)
