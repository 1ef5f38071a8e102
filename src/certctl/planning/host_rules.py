"""What hooks, announcers and DH parameters need: one rule each, comparing what is with what should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from certctl.planning.clock import JUMP
from certctl.planning.observed import CertificateSeen, DhparamSeen, FileSeen, HookSeen, World
from certctl.planning.pins import IN_DNS
from certctl.planning.retry import waits
from certctl.planning.spec import DhparamSpec, Spec
from certctl.planning.steps import Step
from certctl.planning.times import after, duration_text, minute_text


def changed_files(seen: HookSeen) -> list[str]:
    """The files whose content is not what the hook last ran for."""
    return [path for path, digest in seen.files.items() if seen.state.delivered.get(path) != digest]


def hook_blocked(seen: HookSeen, now: datetime) -> bool:
    """Whether a failed hook waits for its back-off; a changed program is tried at once."""
    state = seen.state
    if state.retry_at is None or state.basis != seen.basis or state.retry_at <= now:
        return False
    # A clock that was ahead has written what lies ahead: its back-off is over.
    return state.last_run is None or state.last_run <= now


def hook_step(name: str, seen: HookSeen) -> Step | None:
    changed = changed_files(seen)
    if not changed:
        return None
    reason = f"{_some(changed)} changed"
    if seen.state.attempts:
        status = seen.state.exit_status
        ended = "one that was cut short" if status is None else f"exit status {status}"
        reason += f"; attempt {seen.state.attempts + 1} after {ended}"
    return Step("hook", name, reason, scope="hook")


def undelivered(files: Iterable[FileSeen], hooks: Mapping[str, HookSeen]) -> bool:
    """Whether a hook has yet to run for one of *files* as it is now."""
    return any(
        file.digest is not None and hooks[name].state.delivered.get(file.path) != file.digest
        for file in files
        for name in file.hooks
        if name in hooks
    )


def take_over(name: str, path: str, *, is_strange: bool = False) -> str:
    """What to type where the file at *path* holds what the state of *name* does not have.

    *is_strange*: it is a certificate without its key.
    """
    if is_strange:
        return (
            f"if another certctl.toml or program writes it, give each a path of its own; "
            f"else replace it: certctl run --replace-unknown-keys {name}"
        )
    return (
        f"take it over: certctl import pem {path} --name {name}; "
        f"or discard it, which breaks its pins: certctl run --replace-unknown-keys {name}"
    )


def served(seen: CertificateSeen, hooks: Mapping[str, HookSeen]) -> bool:
    """Whether servers have been told all that is in the files: then nobody serves what was there before."""
    return not any(file.problem for file in seen.files) and not undelivered(seen.files, hooks)


def not_yet_seen(spec: Spec, world: World, announcer: str) -> list[str]:
    """Certificates whose current or next pins have not been seen through *announcer* yet."""
    of_keys = spec.announcers[announcer].type in IN_DNS
    found = []
    for name, cert in spec.certificates.items():
        if announcer in cert.announce:
            state = world.certificates[name].state
            if any(
                generation is not None
                and announcer not in generation.seen
                and (of_keys or cert.pin == "key" or generation.issuance)
                for generation in (state.current, state.next)
            ):
                found.append(name)
    return found


def announce_step(spec: Spec, world: World, name: str, now: datetime) -> Step | None:
    """Announce where something is to be shown, seen or renewed; retract where something only is to go.

    Where a certificate's state cannot be read, or what it serves is not known to it, nothing is due:
    what it has told must not be retracted.
    """
    seen = world.announcers[name]
    failure = seen.failure
    if failure is not None and waits(failure, now):
        return None
    users = [n for n, cert in spec.certificates.items() if name in cert.announce]
    seen_users = [world.certificates[user] for user in users]
    if any(one.unreadable is not None or one.conflicts for one in seen_users):
        return None
    kind, reason = "announce", seen.problem
    stale = [subject for subject, digest in seen.wanted.items() if seen.shown.get(subject) != digest]
    gone = [subject for subject in seen.shown if subject not in seen.wanted]
    if reason is None and stale:
        over = seen.fewer.issuperset(stale)
        kind = "retract" if over else "announce"
        reason = f"pins of {_some(stale)} are over" if over else f"the pins of {_some(stale)} changed"
    elif reason is None and gone:
        kind, reason = "retract", f"{_some(gone)} is not to be announced any more"
    elif reason is None:
        reason = _asking(spec, world, name, now)
    if kind == "retract" and world.clock.doubt is not None:
        return None
    if reason is None and seen.ahead_until is not None and now < seen.ahead_until:
        reason = f"what is shown was made {minute_text(seen.ahead_until)}, which is yet to come"
    if reason is None and seen.due_at is not None and seen.due_at <= now:
        reason = seen.due_reason
    return None if reason is None else Step(kind, name, reason, scope="announcer")


def _asking(spec: Spec, world: World, name: str, now: datetime) -> str | None:
    """Why it is to be looked at whether what is shown can be seen; None: it need not, or not yet."""
    seen = world.announcers[name]
    if seen.ask_at is not None and now < seen.ask_at <= now + JUMP:
        return None
    lacking = not_yet_seen(spec, world, name)
    if world.clock.doubt is not None or not lacking or undelivered(seen.files, world.hooks):
        return None
    told = [seen.unseen[subject] for subject in lacking if subject in seen.unseen]
    return told[0] if told else f"whether the pins of {_some(lacking)} can be seen"


def _some(words: list[str]) -> str:
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")


def map_step(file: FileSeen) -> Step | None:
    """Write the policy map that peers' pins go into where it does not hold them."""
    if file.problem is None:
        return None
    return Step("write", file.path, f"it {file.problem}", scope="map", path=file.path)


def dhparam_due(spec: DhparamSpec, seen: DhparamSeen) -> datetime | None:
    if spec.rotate_every is None or seen.state.made_at is None or spec.source == "ffdhe":
        return None
    return after(seen.state.made_at, spec.rotate_every)


def dhparam_steps(spec: DhparamSpec, seen: DhparamSeen, now: datetime) -> Iterator[Step]:
    """Write what is kept where it belongs; make new parameters where none fit."""
    if seen.unreadable is not None:
        return
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
