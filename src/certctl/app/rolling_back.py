"""rollback: what was served before comes back, the key before or the certificate before."""

from __future__ import annotations

import os

from certctl.app import passes, wiring
from certctl.app.names import certificates
from certctl.engine.outcome import Event
from certctl.errors import CertctlError
from certctl.planning import transitions
from certctl.planning.retry import issue_basis
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateState, Wait
from certctl.planning.times import minute_text
from certctl.store.layout import Layout


def generation(spec: Spec, name: str, options: passes.Options = passes.Options()) -> passes.Ran:  # noqa: B008
    """The previous generation becomes current again, and a pass brings it to the files."""
    certificates(spec, [name])
    lost = passes.observe(spec).certificates[name].lost

    def wish(state: CertificateState) -> CertificateState:
        if state.previous is not None and "previous" in lost:
            raise CertctlError(
                f"the key of {name}'s previous generation, {state.previous.number}, is missing from disk",
                "restore it from a backup, or go on to the next key: certctl rotate " + name,
                transient=False,
            )
        if state.previous is not None and state.previous.compromised:
            raise CertctlError(
                f"the key of {name}'s previous generation, {state.previous.number}, is compromised",
                "go on to the next key: certctl rotate " + name,
                transient=False,
            )
        if state.previous is None:
            raise CertctlError(
                f"{name} has no previous generation to go back to",
                f"see what there is: certctl status {name}",
                transient=False,
            )
        for announcer in spec.certificates[name].announce:
            if announcer not in state.previous.seen:
                text = f"the previous pins are not shown through {announcer} any more: who follows it breaks"
                options.report(Event(name, text, "warning"))
        return transitions.without_failure(state, "issue")._replace(rollback_wanted=True, waiting=None)

    return passes.ask(spec, [name], wish, "rollback-wanted", options)


def certificate(spec: Spec, name: str, options: passes.Options = passes.Options()) -> passes.Ran:  # noqa: B008
    """The certificates before the last renewal, of the same key, are served again, and a pass follows.

    The next renewal waits until little of them is left, or until a person asks for it.
    """
    certificates(spec, [name])
    cert = spec.certificates[name]
    state = passes.observe(spec).certificates[name].state
    if cert.pin == "certificate" and _same_key_before(state):
        # There a renewal is a generation of its own, with the same key.
        return generation(spec, name, options)

    def wish(state: CertificateState) -> CertificateState:
        now = wiring.clock()
        before = state.current.before if state.current else None
        if state.current is None or before is None:
            raise CertctlError(
                f"{name} has no certificate before the one that is served, for the same key",
                f"see what there is: certctl status {name}; the key before: certctl rollback {name}",
                transient=False,
            )
        if not os.path.isdir(Layout(spec.state_dir).issuance(name, state.current.number, before.number)):
            raise CertctlError(
                f"the files of the certificate of {name} before the one that is served are gone",
                f"go on with a new one: certctl renew {name}",
                transient=False,
            )
        ends = min(record.not_after for record in before.certificates)
        if ends <= now:
            raise CertctlError(
                f"the certificate of {name} before the one that is served expired {minute_text(ends)}",
                f"go on with a new one: certctl renew {name}",
                transient=False,
            )
        state = transitions.without_failure(state, "issue")
        state = transitions.renewal_undone(state)._replace(renewal_wanted=False)
        until = ends - (ends - now) / 4
        reason = f"the certificate before was asked back {minute_text(now)}: certctl renew {name} ends this"
        state = state._replace(waiting=Wait(reason, issue_basis(spec, cert, state, "current"), until))
        return state._replace(unproved="rollback") if cert.probe else state

    return passes.ask(spec, [name], wish, "certificate-rollback-wanted", options)


def _same_key_before(state: CertificateState) -> bool:
    """Whether the previous generation is a certificate before, of the same key."""
    current, previous = state.current, state.previous
    if current is None or previous is None or current.before is not None:
        return False
    return [key.sha256 for key in current.keys] == [key.sha256 for key in previous.keys]
