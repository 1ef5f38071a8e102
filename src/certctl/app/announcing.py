"""announce: telling the pins now, who has seen which of them since when, and the key of a feed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from certctl.app import passes, wiring
from certctl.app.names import must_be
from certctl.engine.observing import wanted_pins
from certctl.errors import UsageError
from certctl.planning.gate import hold_until
from certctl.planning.observed import AnnouncerSeen, World
from certctl.planning.pins import Announced
from certctl.planning.plan import plan as make_plan
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, Spec
from certctl.planning.state import CertificateState
from certctl.planning.times import rfc3339
from certctl.system import person

Told = Mapping[str, Mapping[str, Announced]]
"""By announcer and certificate: what is to be told."""


class Selected(NamedTuple):
    """What NAMEs on the command line mean."""

    announcers: tuple[str, ...]
    certificates: tuple[str, ...]


def select(spec: Spec, names: Collection[str]) -> Selected:
    """Announcers and certificates by name; a certificate stands for its announcers, none for all."""
    there = [*spec.announcers, *spec.certificates]
    must_be(names, there, "announcer or certificate", spec)
    users = {name: cert.announce for name, cert in spec.certificates.items()}
    chosen = [name for name in names if name in spec.announcers]
    chosen += [name for user in names for name in users.get(user, ())]
    announcers = tuple(dict.fromkeys(chosen)) if names else tuple(spec.announcers)
    certificates = tuple(
        name for name, used in users.items() if (used if not names else {name, *used} & set(names))
    )
    return Selected(announcers, certificates)


def announce(spec: Spec, names: Sequence[str], options: passes.Options) -> passes.Ran:
    """Announce now, whatever was announced before and whatever back-off there is; then the hooks."""
    from certctl.engine.engine import Engine

    selected = select(spec, names)
    if not selected.announcers:
        raise UsageError(
            "nothing announces pins here", "add [announce.NAME], and announce = [NAME] to a certificate"
        )
    with passes.locked(spec, options.wait) as lease:
        adapters = wiring.adapters(
            spec, options.report, verify=options.verify, stop=options.stop, lease=lease
        )
        adapters.store.prepare()
        engine = Engine(spec, adapters)
        engine.announce(selected.announcers)
        only = frozenset(selected.certificates)
        outcome = engine.run(only)
        after = make_plan(spec, engine.world, adapters.clock(), only)
        return passes.Ran(outcome.done, outcome.failed, engine.world, after)


def keys(spec: Spec, names: Sequence[str], options: passes.Options, *, new: bool = False) -> dict[str, Any]:
    """The public keys of feeds, made if there is none; *new*: replaced, and handed over by the old one."""
    from certctl.announce import build, feedkey, files
    from certctl.peers.verify import fingerprint

    feeds = [name for name in select(spec, names).announcers if spec.announcers[name].type == "feed"]
    if not feeds:
        raise UsageError("there is no feed", 'only announcers with type = "feed" have a key')
    if new and not names:
        raise UsageError("whose key is to be replaced?", f"certctl announce --new-key {feeds[0]}")
    rows = []
    with passes.locked(spec, options.wait):
        store = wiring.adapters(spec, options.report).store
        store.prepare()
        for name in feeds:
            home = build.home(spec.state_dir, name)
            now = wiring.clock()
            published = files.look(spec.announcers[name]).data
            key = feedkey.replace(home, now, published) if new else feedkey.load(home, published)
            if new:
                told = {"fingerprint": fingerprint(key.text), "by": person.name()}
                store.journal(now, "feed-key", name, **told)
            rows.append({"announcer": name, "key": key.text, "fingerprint": fingerprint(key.text)})
    return {"version": 1, "keys": rows}


def shown(spec: Spec, names: Sequence[str] = ()) -> dict[str, Any]:
    """The document of ``announce --show``: what can be seen since when, and who has not acknowledged."""
    selected = select(spec, names)
    world, now = passes.observe(spec), wiring.clock()
    told = {name: wanted_pins(spec, world, name, now) for name in selected.announcers}
    return {
        "version": 1,
        "now": rfc3339(now),
        "announcers": [announcer(spec, world, name) for name in selected.announcers],
        "certificates": [_certificate(spec, world, name, told) for name in selected.certificates],
    }


def announcer(spec: Spec, world: World, name: str) -> dict[str, Any]:
    """One announcer: what it shows, how it is, and who does not show it yet."""
    from certctl.announce import build, remembering

    via, seen = spec.announcers[name], world.announcers[name]
    failure = seen.failure
    servers = remembering.asked(build.home(spec.state_dir, name)) if via.type == "dns" else []
    return {
        "name": name,
        "type": via.type,
        "where": _where(via),
        "state": _state(seen),
        "certificates": [cert for cert in seen.shown if cert in spec.certificates],
        "pending": [cert for cert, digest in seen.wanted.items() if seen.shown.get(cert) != digest],
        "unseen": dict(seen.unseen),
        "servers": [server._asdict() for server in servers],
        "ask_at": seen.ask_at and rfc3339(seen.ask_at),
        "due_at": seen.due_at and rfc3339(seen.due_at),
        "retry_at": failure.retry_at and rfc3339(failure.retry_at) if failure else None,
        "last_error": failure.message if failure else seen.problem,
    }


def _state(seen: AnnouncerSeen) -> str:
    if seen.failure is not None:
        return "failing"
    if seen.problem or seen.shown != seen.wanted:
        return "pending"
    return "unseen" if seen.unseen else "ok"


def _where(via: AnnouncerSpec) -> str:
    if via.type == "dns":
        return f"{via.zone} at {via.server}"
    return via.path or via.command[0]


def _certificate(spec: Spec, world: World, name: str, told: Told) -> dict[str, Any]:
    cert, state = spec.certificates[name], world.certificates[name].state
    end = hold_until(cert, state.next) if state.current else None
    return {
        "name": name,
        "slots": {slot: _slot(cert, state, slot, told) for slot in ("current", "next", "previous")},
        "hold_until": end and rfc3339(end),
        "acknowledged_by": sorted(state.next.acks) if state.next else [],
        "not_acknowledged_by": [
            peer for peer in cert.require_ack if state.next is None or peer not in state.next.acks
        ],
    }


def _slot(cert: CertificateSpec, state: CertificateState, slot: str, told: Told) -> dict[str, Any] | None:
    generation = state.slot(slot)
    if generation is None:
        return None
    seen, over = {}, []
    for name in cert.announce:
        if name in told:
            observation = generation.seen.get(name)
            seen[name] = rfc3339(observation.at) if observation else None
            entry = told[name].get(cert.name)
            if slot == "previous" and observation is None and not (entry and entry.of_slot(slot)):
                over.append(name)
    made = rfc3339(generation.made_at)
    return {"generation": generation.number, "made_at": made, "seen": seen, "retracted": over}
