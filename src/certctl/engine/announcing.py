"""Announcing: publishing through one announcer, and recording what has been seen of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from certctl.engine.ledger import Ledger
from certctl.engine.observing import wanted_pins
from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, UnreadableError
from certctl.planning import pins, transitions
from certctl.planning.host_rules import undelivered
from certctl.planning.observed import AnnouncerSeen, World
from certctl.planning.pins import Announced
from certctl.planning.spec import Spec
from certctl.planning.state import CertificateState, HookState, Observation
from certctl.planning.steps import Step

SHARE = 0.5
"""Of the time for others: whoever cannot be told must not keep certificates from being issued."""
MOST_IN_A_PASS = 5
"""Times that one announcer is asked in one pass: after keys were made, after its hooks ran, …"""


ELSEWHERE = ("dns", "command")
"""Types that show pins on other hosts, or by programs: nothing of it is a file of this host."""


class Published(NamedTuple):
    """What one announcer did."""

    wanted: Mapping[str, Announced]
    observations: Mapping[str, Observation]
    changed: list[str]
    """Certificates of which something else was shown before."""
    put_back: frozenset[str]
    """Pins that were gone, though they had been seen: they have to be seen anew."""


def publish(ledger: Ledger, name: str) -> Published:
    """Let announcer *name* show what it should. Raises CertctlError.

    Those that only ask others do so without the lock. What they saw of pins that another
    certctl replaced meanwhile counts for nothing.
    """
    spec, adapters, world = ledger.spec, ledger.adapters, ledger.world
    for subject, cert in spec.certificates.items():
        unreadable = world.certificates[subject].unreadable
        if name in cert.announce and unreadable is not None:
            # Whoever publishes without it retracts its pins.
            raise UnreadableError(f"{subject}: {unreadable}")
    before: AnnouncerSeen = world.announcers[name]
    now = adapters.clock()
    wanted = wanted_pins(spec, world, name, world.clock.sure or now)
    _forget_half_delivered(adapters, world, before)
    announcer = adapters.announcer(name)
    elsewhere = spec.announcers[name].type in ELSEWHERE
    with ledger.outside() if elsewhere else ledger.in_time():
        observations = announcer.publish(wanted, now)
    gone = announcer.put_back()
    ahead = before.ahead_until is not None and now < before.ahead_until
    anew = before.problem is not None or ahead or (before.due_at is not None and before.due_at <= now)
    subjects = [*wanted, *(subject for subject in before.shown if subject not in wanted)]
    changed = [s for s in subjects if anew or before.shown.get(s) != before.wanted.get(s)]
    again = wanted_pins(spec, world, name, now)
    fits = {subject: entry for subject, entry in wanted.items() if again.get(subject) == entry}
    return Published(fits, {s: seen for s, seen in observations.items() if s in fits}, changed, gone)


def _forget_half_delivered(adapters: Adapters, world: World, seen: AnnouncerSeen) -> None:
    """A hook that failed may have taken half of what is there: whatever is written now, it runs again."""
    forgotten: dict[str, HookState] = {}
    for file in seen.files:
        for hook in file.hooks:
            state = forgotten.get(hook, world.hooks[hook].state)
            if state.delivered.get(file.path, file.digest) != file.digest:
                kept = {path: digest for path, digest in state.delivered.items() if path != file.path}
                forgotten[hook] = state._replace(delivered=kept)
    if forgotten:
        adapters.store.save_hooks(list(forgotten.values()))


def recorded(
    spec: Spec, world: World, name: str, published: Published
) -> Iterator[tuple[CertificateState, list[str]]]:
    """The states that change by what was seen, each with the slots that were seen for the first time.

    As long as a hook has to carry the files further, nobody has seen them; and by a clock that is
    not believed no hold-down begins. What could
    not be taken back is told still.
    """
    waits = world.clock.doubt is not None or undelivered(world.announcers[name].files, world.hooks)
    stays = world.announcers[name].failure is not None
    place = pins.place(spec.announcers[name])
    for subject, entry in published.wanted.items():
        before = world.certificates[subject].state
        state = before if stays or entry.of_slot("previous") else transitions.retracted(before, name)
        state = transitions.not_shown(state, name, published.put_back)
        slots: list[str] = []
        if subject in published.observations and not waits:
            state = transitions.announced(state, name, published.observations[subject]._replace(place=place))
            slots = [slot for slot in ("current", "next") if state.slot(slot) != before.slot(slot)]
        if state != before:
            yield state, slots


def journal_seen(adapters: Adapters, announcer: str, state: CertificateState, slots: Collection[str]) -> None:
    """Tell which pins were seen for the first time: what invariants are checked by afterwards."""
    servers = ", ".join(adapters.announcer(announcer).witnesses()) if slots else ""
    for slot in slots:
        generation = state.slot(slot)
        assert generation is not None
        observation = generation.seen[announcer]
        adapters.store.journal(
            observation.at,
            "seen",
            state.name,
            through=announcer,
            generation=generation.number,
            wait=observation.wait or None,
            pins=[f"{key.algorithm} {key.sha256}" for key in generation.keys],
            servers=servers,
        )


def step(ledger: Ledger, due: Step, rounds: dict[str, int]) -> None:
    """Announce or retract through one announcer; *rounds* counts how often each was asked in this pass."""
    name = due.subject
    rounds[name] = rounds.get(name, 0) + 1
    if rounds[name] >= MOST_IN_A_PASS:
        ledger.avoid.update(due._replace(kind=kind).key for kind in ("announce", "retract"))
    with ledger.store.in_hand([f"announcer {name}"]) as mine:
        if not mine:
            ledger.avoid.update(due._replace(kind=kind).key for kind in ("announce", "retract"))
            ledger.tell(name, "another certctl has this announcer in hand: it goes on there")
            return
        published = publish(ledger, name)
    ledger.look_at_followers()
    seen = []
    for state, slots in recorded(ledger.spec, ledger.world, name, published):
        ledger.save(state)
        journal_seen(ledger.adapters, name, state, slots)
        seen += [state.name] if slots else []
    failure = ledger.world.announcers[name].failure
    if failure is not None:
        raise CertctlError(failure.message, failure.hint)
    if not published.changed and not seen:
        ledger.tell(name, f"asked: {due.reason}", "detail")
        return
    verb = "retracted" if due.kind == "retract" else "announced" if published.changed else "seen"
    ledger.done(due, f"{verb}: {due.reason}", certificates=published.changed, seen=seen)
