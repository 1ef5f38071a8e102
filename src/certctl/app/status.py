"""What there is, as the documents that --json prints (their fields are a promise)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from certctl.app import passes, wiring
from certctl.app.names import known
from certctl.engine.outcome import Failed
from certctl.planning.condition import condition, trouble, undelivered_through
from certctl.planning.due import renew_at, rotate_at
from certctl.planning.gate import announced_at, hold_until
from certctl.planning.host_rules import changed_files, dhparam_due
from certctl.planning.observed import CertificateSeen, DhparamSeen, HookSeen, World
from certctl.planning.plan import plan
from certctl.planning.spec import CertificateSpec, Spec
from certctl.planning.state import Generation
from certctl.planning.steps import Hold, Plan, Step
from certctl.planning.times import rfc3339

VERSION = 1


def status(spec: Spec, names: Collection[str] = ()) -> dict[str, Any]:
    """The document of ``status --json``; *names* of certificates and DH parameters, none: all."""
    known(spec, names)
    world = passes.observe(spec)
    now = wiring.clock()
    return describe(spec, world, plan(spec, world, now), names)


def describe(spec: Spec, world: World, made: Plan, names: Collection[str] = ()) -> dict[str, Any]:
    """The same document for a world that was just looked at."""
    due = {(step.scope, step.subject) for step in made.steps}
    return {
        "version": VERSION,
        "now": rfc3339(made.now),
        "clock": {"doubt": world.clock.doubt, "until": _moment(world.clock.until)},
        "certificates": [
            _certificate(spec, cert, world, made.now, ("certificate", name) in due)
            for name, cert in spec.certificates.items()
            if not names or name in names
        ],
        "dhparams": [
            _dhparam(spec, name, world.dhparams[name], ("dhparam", name) in due)
            for name in spec.dhparams
            if not names or name in names
        ],
        "hooks": [_hook(name, seen) for name, seen in world.hooks.items()],
        "announcers": _announcers(spec, world, names) if spec.announcers else [],
        "peers": _peers(spec) if spec.peers and not names else [],
    }


def _announcers(spec: Spec, world: World, names: Collection[str]) -> list[dict[str, Any]]:
    from certctl.app.announcing import announcer

    users = [cert for name, cert in spec.certificates.items() if name in names]
    shown = {name for cert in users for name in cert.announce} if names else spec.announcers
    return [announcer(spec, world, name) for name in spec.announcers if name in shown]


def _peers(spec: Spec) -> list[dict[str, Any]]:
    from certctl.app.peering import document

    return document(spec)


def _certificate(spec: Spec, cert: CertificateSpec, world: World, now: datetime, due: bool) -> dict[str, Any]:
    seen = world.certificates[cert.name]
    state = seen.state
    current = state.current
    retries = [failure.retry_at for failure in state.failures if failure.retry_at]
    end = hold_until(cert, state.next) if current else None
    return {
        "name": cert.name,
        "names": list(cert.names),
        "issuer": (current and current.issued_by) or cert.issuers[0],
        "state": condition(spec, cert, world, now, due),
        **{slot: _generation(cert, state.slot(slot)) for slot in ("current", "next", "previous")},
        "rotation_wanted": bool(state.rotation),
        "hold_until": rfc3339(end) if end and end > now else None,
        "renew_at": _moment(renew_at(cert, current) if current else None),
        "rotate_at": _moment(rotate_at(cert, current)),
        "retry_at": _moment(min(retries, default=None)),
        "last_error": seen.unreadable
        or trouble(seen, now)
        or (_last_error(seen) if state.failures else undelivered_through(world, cert) or seen.recovered),
        "held": state.held,
        "waiting": state.waiting.reason if state.waiting else None,
        "not_seen_through": [name for name in cert.announce if _unseen(cert, state.next, name)],
        "not_acknowledged_by": [
            peer for peer in cert.require_ack if state.next is not None and peer not in state.next.acks
        ],
        "advice": _advice(current),
        "files": [{"path": file.path, "problem": file.problem} for file in (seen.files if current else ())],
    }


def _unseen(cert: CertificateSpec, generation: Generation | None, announcer: str) -> bool:
    """Whether *generation* has a pin that was not seen through *announcer*."""
    return (
        generation is not None
        and announcer not in generation.seen
        and (cert.pin == "key" or bool(generation.issuance))
    )


def _last_error(seen: CertificateSeen) -> str:
    failure = max(seen.state.failures, key=lambda failure: failure.at)
    return failure.message


def _generation(cert: CertificateSpec, generation: Generation | None) -> dict[str, Any] | None:
    if generation is None:
        return None
    return {
        "generation": generation.number,
        "made_at": rfc3339(generation.made_at),
        "announced_at": _moment(announced_at(cert, generation)),
        "promoted_at": _moment(generation.promoted_at),
        "compromised": generation.compromised,
        "keys": [
            {
                "algorithm": key.algorithm,
                "key_sha256": key.sha256,
                "certificate_sha256": key.certificate and key.certificate.sha256,
                "serial": key.certificate and key.certificate.serial,
                "not_before": _moment(key.certificate and key.certificate.not_before),
                "not_after": _moment(key.certificate and key.certificate.not_after),
            }
            for key in generation.keys
        ],
        "acknowledged_by": sorted(generation.acks),
    }


def _advice(generation: Generation | None) -> dict[str, Any] | None:
    if generation is None or generation.advice is None:
        return None
    advice = generation.advice
    return {
        "renew_at": rfc3339(advice.renew_at),
        "window": [rfc3339(advice.window_start), rfc3339(advice.window_end)],
        "explanation_url": advice.explanation_url,
    }


def _dhparam(spec: Spec, name: str, seen: DhparamSeen, due: bool) -> dict[str, Any]:
    dhparam, state = spec.dhparams[name], seen.state
    failed = seen.unreadable or (state.failures[-1].message if state.failures else None)
    word = "failing" if failed else "new" if state.made_at is None else "due" if due else "ok"
    return {
        "name": name,
        "path": dhparam.path,
        "bits": state.bits or dhparam.bits,
        "source": state.source or dhparam.source,
        "made_at": _moment(state.made_at),
        "rotate_at": _moment(dhparam_due(dhparam, seen)),
        "state": word,
        "last_error": failed,
    }


def _hook(name: str, seen: HookSeen) -> dict[str, Any]:
    state, changed = seen.state, changed_files(seen)
    return {
        "name": name,
        "state": "failing" if state.attempts or seen.unreadable else "pending" if changed else "ok",
        "last_run": _moment(state.last_run),
        "exit_status": state.exit_status,
        "retry_at": _moment(state.retry_at) if state.attempts else None,
        "pending": changed,
        "attempts": state.attempts,
        "output": state.output,
    }


def plan_document(made: Plan) -> dict[str, Any]:
    """The document of ``plan --json``."""
    return {
        "version": VERSION,
        "now": rfc3339(made.now),
        "next_pass_at": rfc3339(made.now) if made.steps else _moment(made.next_pass_at),
        "steps": [_step(step) for step in made.steps],
        "holds": [_hold(hold) for hold in made.holds],
    }


def run_document(ran: passes.Ran) -> dict[str, Any]:
    """The document of ``run --json`` and of the verbs that run a pass: what was done, and what waits."""
    after = plan_document(ran.plan)
    return {
        **after,
        "steps": [_step(step) for step in ran.done],
        "failed": [_failed(item) for item in ran.failed],
    }


def _step(step: Step) -> dict[str, Any]:
    found = {"kind": step.kind, "subject": step.subject, "reason": step.reason}
    return {**found, **({"path": step.path} if step.kind == "write" else {})}


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "kind": hold.kind,
        "subject": hold.subject,
        "reason": hold.reason,
        "until": _moment(hold.until),
    }


def _failed(item: Failed) -> dict[str, Any]:
    return {**_step(item.step), "error": item.error.message, "hint": item.error.hint}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
