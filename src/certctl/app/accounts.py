"""account and revoke: what an ACME CA keeps of this host."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from certctl.app import passes, wiring
from certctl.app.names import certificates
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, LockedError, UsageError
from certctl.issuers.acme.issuer import AcmeIssuer
from certctl.planning import transitions
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateState, Generation
from certctl.ports import Revoker
from certctl.store.layout import Layout
from certctl.store.meanwhile import in_hand
from certctl.system import deadline, person

COMPROMISED = "keycompromise"
_POLL = 0.1


def account(spec: Spec, action: str, name: str, options: passes.Options) -> dict[str, Any]:
    """Show, roll over or deactivate the account of the issuer *name*; the document of ``account --json``."""
    from certctl.issuers.acme import issuer as acme

    found = _acme(spec, name)
    if action == "show":
        issuer = cast(AcmeIssuer, wiring.adapters(spec, options.report).issuer(found))
        acme.check_account(issuer)
        with _alone(spec, found, options.wait):
            return {"version": 1, "issuer": found, **acme.account_show(issuer)._asdict()}
    with passes.locked(spec, options.wait) as lease:
        adapters = wiring.adapters(spec, options.report, lease=lease)
        adapters.store.prepare()
        issuer = cast(AcmeIssuer, adapters.issuer(found))
        acme.check_account(issuer)
        with adapters.outside(), _alone(spec, found, options.wait):
            if action == "rollover":
                facts = acme.account_rollover(issuer)
                event, told, shown = "account-rollover", {"thumbprint": facts.thumbprint}, facts._asdict()
            else:
                acme.account_deactivate(issuer)
                event, told, shown = "account-deactivated", {}, {"status": "deactivated"}
        adapters.store.journal(adapters.clock(), event, found, **told, by=person.name())
    return {"version": 1, "issuer": found, **shown}


@contextlib.contextmanager
def _alone(spec: Spec, name: str, wait: float) -> Iterator[None]:
    """Ask about the account while no other process has it, in the time that a pass gives to others.

    Nobody holds the lock meanwhile. Raises LockedError after *wait* seconds.
    """
    end = time.monotonic() + wait
    while True:
        with in_hand(Layout(spec.state_dir).in_hand, [f"issuer {name}"]) as mine:
            if mine:
                with deadline.limit(spec.network_timeout):
                    yield
                return
        if time.monotonic() >= end:
            raise LockedError(
                f"another certctl has issuer {name} in hand: it asks the CA",
                "wait for it: --wait SECONDS",
            )
        time.sleep(_POLL)


def _acme(spec: Spec, name: str) -> str:
    there = [issuer.name for issuer in spec.issuers.values() if issuer.type == "acme"]
    if name not in there:
        raise UsageError(
            f"{name} is no ACME issuer of {spec.path}", f"there are: {', '.join(there) or 'none'}"
        )
    return name


def revoke(spec: Spec, name: str, slot: str, reason: str, options: passes.Options) -> passes.Ran | None:
    """Revoke the certificates of one slot. What is served is replaced first; None: it was not served.

    With the reason keyCompromise the standby key takes the place of the current one,
    hold-down or not, and the pins of the key that was lost are retracted at once; with
    any other reason the same key gets a new certificate. Raises
    CertctlError where the issuer cannot revoke, before anything is changed.
    """
    certificates(spec, [name])
    adapters = wiring.adapters(spec, options.report)
    state = adapters.store.observe_certificate(spec.certificates[name], adapters.clock()).state
    generation = state.slot(slot)
    if generation is None or not generation.issuance or generation.issued_by is None:
        raise CertctlError(f"{name} has no {slot} certificate that could be revoked", transient=False)
    compromised = reason.replace("-", "").replace("_", "").lower() == COMPROMISED
    revokers = _prepare(adapters, name, generation, compromised=compromised)
    ran = None
    if slot == "current" or compromised:
        ran = passes.ask(spec, [name], _replacement(slot, compromised), f"revocation: {reason}", options)
    for revoke_one in revokers:
        revoke_one(reason)
    with passes.locked(spec, options.wait):
        serials = [key.certificate.serial for key in generation.keys if key.certificate]
        told = {"serials": serials, "by": person.name()}
        adapters.store.journal(adapters.clock(), "revoked", name, reason=reason, **told)
    return ran


def _prepare(
    adapters: Adapters, name: str, generation: Generation, *, compromised: bool
) -> list[Callable[[str], None]]:
    """One call for each certificate, with everything read beforehand that a replacement may move."""
    assert generation.issued_by is not None
    issuer = adapters.issuer(generation.issued_by)
    if not hasattr(issuer, "revoke"):
        raise CertctlError(
            f"issuer {generation.issued_by} cannot revoke: it publishes nothing that peers would look at",
            f"replace the key instead: certctl rotate --force {name}, and tell those who pin it",
            transient=False,
        )
    revoker = cast(Revoker, issuer)
    calls: list[Callable[[str], None]] = []
    for material in adapters.store.read_materials(name, generation):
        # Signed by the lost key itself, the CA also learns that it is lost.
        key = material.key if compromised else None

        def call(reason: str, leaf: bytes = material.leaf, key: bytes | None = key) -> None:
            revoker.revoke(leaf, key, reason)

        calls.append(call)
    return calls


def _replacement(slot: str, compromised: bool) -> Callable[[CertificateState], CertificateState]:
    def wish(state: CertificateState) -> CertificateState:
        state = transitions.without_failure(state, "issue")._replace(waiting=None)
        if compromised:
            return transitions.compromised(state, slot)
        return state._replace(renewal_wanted=True)

    return wish
