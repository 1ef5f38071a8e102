"""The gate before promotion: what peers must have seen, and for how long."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certctl.planning.spec import DAY, CertificateSpec
from certctl.planning.state import CertificateState, Generation
from certctl.planning.times import after, duration_text, minute_text

SERVED_LONG = 7 * DAY
"""Seconds that whoever pins a key by hand has to take it, where no hold-down is longer."""


class Gate(NamedTuple):
    """Whether a generation may be served, and if not, until when and why."""

    open: bool
    until: datetime | None
    reason: str


def announced_at(spec: CertificateSpec, generation: Generation | None) -> datetime | None:
    """When the pins of *generation* could be seen by all who must see them; None: not yet.

    Without announcers, pins are told by hand: they can be read off certctl from
    the moment they exist.
    """
    if generation is None:
        return None
    exist = generation.issued_at if spec.pin == "certificate" else generation.made_at
    if exist is None:
        return None
    observations = [generation.seen.get(name) for name in spec.announce]
    if any(observation is None for observation in observations):
        return None
    return max([observation.at for observation in observations if observation], default=exist)


def hold_until(spec: CertificateSpec, generation: Generation | None) -> datetime | None:
    """The end of the hold-down of *generation*; None where it was not announced."""
    if generation is None:
        return None
    start = announced_at(spec, generation)
    if start is None:
        return None
    waits = [generation.seen[name] for name in spec.announce]
    ends = [after(observation.at, max(spec.hold_down, observation.wait)) for observation in waits]
    return max(ends, default=after(start, spec.hold_down))


def kept_until(spec: CertificateSpec, state: CertificateState, now: datetime) -> datetime | None:
    """Until when the previous generation is the one that peers pin, not the current one; None: no more.

    They pin what they have known for long; what a person forced after it, they may never have seen.
    """
    current, previous = state.current, state.previous
    if current is None or current.promoted_at is None or previous is None or previous.compromised:
        return None
    until = after(current.promoted_at, max(spec.hold_down, SERVED_LONG))
    return until if previous.made_at < current.made_at and now < until else None


def keeps_previous(spec: CertificateSpec, state: CertificateState, now: datetime) -> bool:
    """Whether a promotion now retires the current generation instead of the previous one."""
    return state.forced and kept_until(spec, state, now) is not None


def gate(
    spec: CertificateSpec, generation: Generation, now: datetime, unseen: Mapping[str, str] = {}
) -> Gate:
    """Whether *generation* may become current at *now* : announced for the hold-down, and acknowledged.

    *unseen*: what keeps an announcement from being seen, by announcer, for the reason.
    """
    what = "certificate" if spec.pin == "certificate" else "key"
    start, until = announced_at(spec, generation), hold_until(spec, generation)
    if start is None or until is None:
        missing = [name for name in spec.announce if name not in generation.seen]
        if missing:
            why = "; ".join(unseen[name] for name in missing if name in unseen)
            reason = f"the next {what} has not been seen through {', '.join(missing)} yet"
            return Gate(False, None, f"{reason}: {why}" if why else reason)
        return Gate(False, None, f"the next {what} is not made yet")
    if now < until:
        hold = duration_text((until - start).total_seconds())
        reason = f"the next {what} was announced {minute_text(start)}, hold-down {hold}"
        return Gate(False, until, reason)
    silent = [peer for peer in spec.require_ack if peer not in generation.acks]
    if silent:
        reason = f"waits for the acknowledgement of {', '.join(silent)} (certctl ack {spec.name} PEER)"
        return Gate(False, None, reason)
    return Gate(True, None, f"announced since {minute_text(start)}")
