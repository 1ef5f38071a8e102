"""What hooks, announcers and DH parameters need: one rule each, comparing levels, never edges."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from certctl.core.observed import AnnouncerSeen, DhparamSeen, HookSeen
from certctl.core.spec import DhparamSpec
from certctl.core.steps import Step
from certctl.core.times import after, duration_text, minute_text


def changed_files(seen: HookSeen) -> list[str]:
    """The files whose content is not what the hook last ran for."""
    return [path for path, digest in seen.files.items() if seen.state.delivered.get(path) != digest]


def hook_blocked(seen: HookSeen, now: datetime) -> bool:
    """Whether a failed hook waits for its back-off; a changed program is tried at once."""
    state = seen.state
    return state.retry_at is not None and state.retry_at > now and state.basis == seen.basis


def hook_step(name: str, seen: HookSeen) -> Step | None:
    changed = changed_files(seen)
    if not changed:
        return None
    shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    reason = f"{shown} changed"
    if seen.state.attempts:
        reason += f"; attempt {seen.state.attempts + 1} after exit status {seen.state.exit_status}"
    return Step("hook", name, reason, scope="hook")


def announce_step(name: str, seen: AnnouncerSeen) -> Step | None:
    """Announce where something new is to be shown; retract where something only is to be taken away."""
    if seen.problem:
        return Step("announce", name, seen.problem, scope="announcer")
    stale = [subject for subject, digest in seen.wanted.items() if seen.shown.get(subject) != digest]
    if stale:
        shown = ", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else "")
        return Step("announce", name, f"the pins of {shown} changed", scope="announcer")
    gone = [subject for subject in seen.shown if subject not in seen.wanted]
    if gone:
        return Step("retract", name, f"{', '.join(gone)} is not configured any more", scope="announcer")
    return None


def dhparam_due(spec: DhparamSpec, seen: DhparamSeen) -> datetime | None:
    if spec.rotate_every is None or seen.state.made_at is None or spec.source == "ffdhe":
        return None
    return after(seen.state.made_at, spec.rotate_every)


def dhparam_steps(spec: DhparamSpec, seen: DhparamSeen, now: datetime) -> Iterator[Step]:
    """Write what is kept where it belongs; make new parameters where none fit."""
    if seen.kept and seen.file.problem:
        reason = f"{seen.file.path} {seen.file.problem}"
        yield Step("write", spec.name, reason, scope="dhparam", path=spec.path)
    due = dhparam_due(spec, seen)
    if not seen.kept:
        if seen.state.made_at is None:
            reason = "there are no parameters yet"
        elif (seen.state.bits, seen.state.source) != (spec.bits, spec.source):
            had = f"{seen.state.bits} bits ({seen.state.source})"
            reason = f"configured are {spec.bits} bits ({spec.source}), kept are {had}"
        else:
            reason = "the parameters that were kept are missing or damaged"
        yield Step("dhparam", spec.name, reason, scope="dhparam")
    elif due is not None and due <= now:
        every = duration_text(spec.rotate_every or 0)
        made = minute_text(seen.state.made_at) if seen.state.made_at else "-"
        yield Step("dhparam", spec.name, f"made {made}, rotate_every {every}", scope="dhparam")
