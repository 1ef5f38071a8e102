"""What each step does to a lineage's state: pure, used by the engine and by the plan that looks ahead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from certctl.planning.clock import JUMP
from certctl.planning.state import (
    SLOTS,
    CertificateRecord,
    CertificateState,
    Failure,
    Generation,
    Issuance,
    KeyRecord,
    Observation,
)

NO_TIME = timedelta()


def with_next(
    state: CertificateState, number: int, keys: tuple[KeyRecord, ...], now: datetime
) -> CertificateState:
    """A new next generation; the one that stood there, if any, is retired and its pins are void."""
    state = _without_next(state, now)
    return state._replace(
        next=Generation(number, now, keys),
        last_number=max(state.last_number, number),
    )


def issued(
    state: CertificateState,
    slot: str,
    records: tuple[CertificateRecord, ...],
    *,
    names: tuple[str, ...],
    issuer: str,
    now: datetime,
    new_pins: bool,
) -> CertificateState:
    """New certificates for the generation in *slot*, one for each of its keys in their order.

    *new_pins* (certificates are pinned): what was announced and acknowledged
    before was another pin, so it counts no more.
    """
    old = state.slot(slot)
    assert old is not None
    new = old._replace(
        keys=tuple(key._replace(certificate=r) for key, r in zip(old.keys, records, strict=True)),
        issuance=max(old.issuance, old.highest) + 1,
        highest=max(old.issuance, old.highest) + 1,
        before=_issuance(old),
        ask_advice_at=None,
        issued_at=now,
        issued_by=issuer,
        names=names,
        advice=None,
        seen={} if new_pins else old.seen,
        acks={} if new_pins else old.acks,
    )
    state = with_slot(state, slot, new)
    return (
        state._replace(renewal_wanted=False, waiting=None)
        if slot == "current"
        else state._replace(waiting=None)
    )


def _issuance(generation: Generation) -> Issuance | None:
    records = tuple(key.certificate for key in generation.keys if key.certificate is not None)
    if not generation.issuance or len(records) != len(generation.keys):
        return None
    return Issuance(
        generation.issuance, generation.issued_at, generation.issued_by, generation.names, records
    )


def renewal_undone(state: CertificateState) -> CertificateState:
    """The certificates before the last renewal of the current generation are the ones to serve again."""
    current = state.current
    assert current is not None
    before = current.before
    assert before is not None
    keys = zip(current.keys, before.certificates, strict=True)
    return state._replace(
        current=current._replace(
            keys=tuple(key._replace(certificate=record) for key, record in keys),
            issuance=before.number,
            issued_at=before.issued_at,
            issued_by=before.issued_by,
            names=before.names,
            advice=None,
            before=None,
            highest=max(current.issuance, current.highest),
        )
    )


def promoted(state: CertificateState, now: datetime, *, keep_previous: bool = False) -> CertificateState:
    """Next becomes current, current becomes previous, and what was previous is retired.

    *keep_previous*: it stays, and it is the current generation that is retired (gate.keeps_previous).
    """
    new, old = state.next, state.current
    assert new is not None
    left, gone = (state.previous, old) if keep_previous else (old or state.previous, state.previous)
    same_keys = old is not None and [k.sha256 for k in old.keys] == [k.sha256 for k in new.keys]
    rotates_from = old.rotates_from if old and same_keys else now
    stolen = new.compromised or (old is not None and same_keys and old.compromised)
    return state._replace(
        current=new._replace(promoted_at=now, rotates_from=rotates_from, compromised=stolen),
        next=None,
        previous=left,
        retired=state.retired + ((gone.number,) if gone and old else ()),
        rotation="" if not same_keys else state.rotation,
        renewal_wanted=False,
        # The generation that was asked back is in no slot any more, or another one is in its place.
        rollback_wanted=False,
        held=None,
    )


def compromised(state: CertificateState, slot: str) -> CertificateState:
    """The keys in *slot* may be compromised: they give way to the standby, or are announced no more.

    Wherever they stand: where certificates are pinned, the generations around a renewal have the same keys.
    """
    generation = state.slot(slot)
    if generation is None:
        return state
    stolen = [found for found in SLOTS if found == slot or _share_keys(state.slot(found), generation)]
    if "next" in stolen:
        state = aborted(state)
    for kept in ("current", "previous"):
        found = state.slot(kept)
        if found is not None and kept in stolen:
            state = with_slot(state, kept, found._replace(compromised=True))
    return state._replace(rotation="forced", held=None) if "current" in stolen else state


def _share_keys(one: Generation | None, other: Generation | None) -> bool:
    if one is None or other is None:
        return False
    return not {key.sha256 for key in one.keys}.isdisjoint(key.sha256 for key in other.keys)


def aborted(state: CertificateState, now: datetime | None = None) -> CertificateState:
    """The next generation goes, and with it every request for a rotation; a new one is made by the pass.

    *now*: its keys are still good, and are kept aside if others may pin them.
    """
    return _without_next(state, now)._replace(rotation="", held=None)


def _without_next(state: CertificateState, now: datetime | None) -> CertificateState:
    """The next generation is retired; one that others were told of is put aside from *now* on."""
    old = state.next
    if old is None:
        return state
    told = bool(old.seen or old.acks or old.promoted_at)
    aside = {**state.aside, old.number: now} if told and now is not None else state.aside
    return state._replace(next=None, retired=(*state.retired, old.number), aside=aside)


def rolled_back(state: CertificateState, now: datetime) -> CertificateState:
    """Previous and current change places; the clock of rotations begins anew, and nothing stays asked for.

    A renewal of the key that is left, which stands ready as next, would bring that key back: it goes.
    """
    new, old = state.previous, state.current
    assert new is not None
    if _share_keys(state.next, old) and not _share_keys(state.next, new):
        state = _without_next(state, now)
    return state._replace(
        current=new._replace(promoted_at=now, rotates_from=now),
        previous=old,
        rotation="",
        renewal_wanted=False,
        rollback_wanted=False,
    )


def announced(state: CertificateState, announcer: str, observation: Observation) -> CertificateState:
    """The pins of current and next have been seen through *announcer*; the first observation is kept."""
    for slot in ("current", "next"):
        generation = state.slot(slot)
        if generation is not None and announcer not in generation.seen:
            seen = {**generation.seen, announcer: observation}
            state = with_slot(state, slot, generation._replace(seen=seen))
    return state


def retracted(state: CertificateState, announcer: str) -> CertificateState:
    """*announcer* shows the pins of the previous generation no more: they must be seen anew to count."""
    old = state.previous
    if old is None or announcer not in old.seen:
        return state
    seen = {name: observation for name, observation in old.seen.items() if name != announcer}
    return state._replace(previous=old._replace(seen=seen))


def without_stale(state: CertificateState, places: Mapping[str, str]) -> CertificateState:
    """Without the observations of announcers that are not among *places*, or show pins elsewhere now.

    What was retracted or moved may be unknown to those who must see it: it is
    announced anew, and the hold-down begins anew. Where an observation does not say
    its place, it is taken for the present one.
    """
    for slot in SLOTS:
        generation = state.slot(slot)
        if generation is not None and any(
            places.get(name) != observation.place for name, observation in generation.seen.items()
        ):
            seen = {
                name: observation._replace(place=places[name])
                for name, observation in generation.seen.items()
                if name in places and observation.place in ("", places[name])
            }
            state = with_slot(state, slot, generation._replace(seen=seen))
    return state


def not_shown(state: CertificateState, announcer: str, absent: Collection[str]) -> CertificateState:
    """Without the observation of next through *announcer*, where a pin of it is among the *absent* ones.

    It was retracted, by somebody else or by a pass that this state, an older one, knows
    nothing of: it is announced anew, and the hold-down begins anew.
    """
    new = state.next
    if new is None or announcer not in new.seen:
        return state
    pins = {record.sha256 for key in new.keys for record in (key, key.certificate) if record}
    if pins.isdisjoint(absent):
        return state
    seen = {name: observation for name, observation in new.seen.items() if name != announcer}
    return state._replace(next=new._replace(seen=seen))


def removed(state: CertificateState, number: int) -> CertificateState:
    """The directory of a retired generation is gone."""
    return state._replace(
        retired=tuple(n for n in state.retired if n != number),
        aside={n: at for n, at in state.aside.items() if n != number},
    )


def with_slot(state: CertificateState, slot: str, generation: Generation | None) -> CertificateState:
    if slot == "current":
        return state._replace(current=generation)
    if slot == "next":
        return state._replace(next=generation)
    return state._replace(previous=generation)


def failed(state: CertificateState, failure: Failure) -> CertificateState:
    """Remember *failure* in place of an older one of the same kind and subject."""
    rest = without_failure(state, failure.kind, failure.subject).failures
    return state._replace(failures=(*rest, failure))


def without_failure(
    state: CertificateState, kind: str | None = None, subject: str | None = None
) -> CertificateState:
    """Forget failures of *kind* (and *subject*); None stands for any."""
    kept = tuple(f for f in state.failures if kind not in (None, f.kind) or subject not in (None, f.subject))
    return state if len(kept) == len(state.failures) else state._replace(failures=kept)


def in_time(state: CertificateState, now: datetime, unproved: timedelta = NO_TIME) -> CertificateState:
    """*state* with what a clock that was ahead has written taken for *now*: hold-downs begin anew.

    Time that is *unproved* does not count for the hold-down of next: its moments are put off by
    that, at most to *now*. What was issued, failed or is to be asked ahead of *now* is due
    without that (`rules`, `retry`).
    """
    for slot in SLOTS:
        generation = state.slot(slot)
        if generation is not None and (mended := _in_time(generation, now)) != generation:
            state = with_slot(state, slot, mended)
    if unproved and state.next is not None:
        state = state._replace(next=_put_off(state.next, now, unproved))
    return state


def _put_off(generation: Generation, now: datetime, by: timedelta) -> Generation:
    issued = generation.issued_at
    return generation._replace(
        made_at=min(generation.made_at + by, now),
        issued_at=issued and min(issued + by, now),
        seen={name: one._replace(at=min(one.at + by, now)) for name, one in generation.seen.items()},
    )


def _in_time(generation: Generation, now: datetime) -> Generation:
    def past(moment: datetime | None) -> datetime | None:
        return now if moment is not None and moment > now + JUMP else moment

    return generation._replace(
        made_at=past(generation.made_at) or now,
        promoted_at=past(generation.promoted_at),
        rotates_from=past(generation.rotates_from),
        seen={name: one._replace(at=past(one.at) or now) for name, one in generation.seen.items()},
        acks={peer: past(at) or now for peer, at in generation.acks.items()},
    )
