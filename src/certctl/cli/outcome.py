"""The end of a pass: failures, what waits, when the next one is due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from certctl.app import causes
from certctl.app.passes import Ran
from certctl.app.status import run_document
from certctl.cli.commands import plan
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.condition import has_expired, trouble
from certctl.planning.holds import CLOCK
from certctl.planning.steps import STANDBY
from certctl.planning.times import minute_text


def show(
    console: Console, ran: Ran, asked: Sequence[str] = (), more: Mapping[str, object] | None = None
) -> int:
    """Tell how a pass ended; returns the exit status.

    *asked*: the certificates that a person asked something of; *more*: what else
    goes into the document.
    """
    for subjects, error in causes.failures(ran.failed):
        console.error(error, subjects)
    waiting = still_failing(ran)
    for line in waiting:
        console.insist(f"certctl: {line}")
    if console.as_json:
        console.document({**run_document(ran), **(more or {})})
        return EXIT_FAILED if ran.failed or waiting else EXIT_OK
    told = [hold for hold in ran.plan.holds if hold.subject in asked and hold.state != STANDBY]
    for line in plan.holds(told, ran.plan):
        console.answer(line)
    if not ran.done and not ran.failed and not told:
        console.say("nothing to do")
    for line in plan.holds([hold for hold in ran.plan.holds if hold.kind == CLOCK], ran.plan):
        console.say(line)
    if not asked:
        console.say(plan.next_pass(ran.plan))
    return EXIT_FAILED if ran.failed or waiting else EXIT_OK


def still_failing(ran: Ran) -> list[str]:
    """What was not done now, and is not well: it failed, is lost, has expired, or the clock jumped."""
    tried = {(item.step.subject, item.step.kind) for item in ran.failed}
    wrong = {name: trouble(one, ran.plan.now) for name, one in ran.world.certificates.items()}
    # What conflicts is a hold, and told as one.
    lines = [
        f"{name}: {why}" for name, why in wrong.items() if why and not ran.world.certificates[name].conflicts
    ]
    untried = [h for h in ran.plan.holds if h.bad and (h.subject, h.kind) not in tried]
    lines += plan.holds(list(causes.holds(untried)), ran.plan)
    told = {subject for subject, _ in tried} | {hold.subject for hold in ran.plan.holds if hold.bad}
    return lines + [line for name, line in _expired(ran) if name not in told]


def _expired(ran: Ran) -> Iterator[tuple[str, str]]:
    """Certificates that are served though they have expired, by name, each with what waits."""
    for name, one in ran.world.certificates.items():
        current = one.state.current
        if current is None or current.not_after is None or not has_expired(one, ran.plan.now):
            continue
        words = [f"the certificate that is served expired {minute_text(current.not_after)}"]
        words += [f"{hold.kind} waits: {hold.reason}" for hold in ran.plan.holds if hold.subject == name]
        yield name, f"{name}: {'; '.join(words)}"
