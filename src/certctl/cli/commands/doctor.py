"""doctor: findings, the worst first, each with what to type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from certctl.cli.arguments import Arguments, Parser, add_servers, load_spec_if_any, servers
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.times import rfc3339

if TYPE_CHECKING:
    from certctl.doctor.finding import Finding
    from certctl.doctor.run import Target


def doctor_arguments(parser: Parser) -> None:
    add_servers(parser)
    parser.add_argument(
        "--pem",
        action="append",
        default=[],
        metavar="FILE",
        help="a bundle by itself; without any of these options: every server that is set up here",
    )
    parser.set_defaults(call=doctor)


def doctor(arguments: Arguments, console: Console) -> int:
    from certctl.app import diagnosing
    from certctl.app.wiring import clock

    targets = [*servers(arguments), *(("pem", path) for path in arguments.pem)]
    looked, findings = diagnosing.diagnose(load_spec_if_any(arguments), targets)
    if console.as_json:
        console.document(_document(looked, findings, clock()))
    else:
        _show(console, looked, findings)
    return EXIT_FAILED if diagnosing.serious(findings) else EXIT_OK


def _show(console: Console, targets: Sequence[Target], findings: Sequence[Finding]) -> None:
    """Print what was looked at and what was found."""
    import textwrap

    if not targets:
        console.answer("no Postfix, Dovecot, nginx, HAProxy or Exim is set up on this host")
        return
    console.answer(f"looked at: {', '.join(f'{target.kind} {target.path}' for target in targets)}")
    width = min(console.width, 110)
    for finding in findings:
        console.answer("")
        text = f"{finding.severity}: {finding.subject}: {finding.message} [{finding.check}]"
        for line in textwrap.wrap(
            text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        ):
            console.answer(line)
        if finding.fix:
            # A command is not to be broken: it is copied from here.
            console.answer(f"  → {finding.fix}")
    console.answer("")
    console.answer(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    told = []
    for severity, word in (("error", "error"), ("warning", "warning"), ("info", "thing worth knowing")):
        count = sum(finding.severity == severity for finding in findings)
        if count:
            plural = "things worth knowing" if severity == "info" else f"{word}s"
            told.append(f"{count} {word if count == 1 else plural}")
    return ", ".join(told) if told else "nothing is wrong"


def _document(targets: Sequence[Target], findings: list[Finding], now: datetime) -> dict[str, Any]:
    """The document of ``doctor --json``."""
    from certctl.doctor.finding import findings_as_json

    return {
        "version": 1,
        "now": rfc3339(now),
        "targets": [{"kind": target.kind, "path": target.path} for target in targets],
        "findings": findings_as_json(findings),
    }
