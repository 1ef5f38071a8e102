"""import: the tables for certctl.toml on standard output, everything said about them on standard error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from certctl.cli.arguments import Arguments, Parser, add_wait
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK, CertctlError, UsageError

if TYPE_CHECKING:
    from certctl.onboarding.importing import Imported, Row


def import_arguments(parser: Parser) -> None:
    from certctl.onboarding.tools import NAMES

    parser.add_argument("tool", metavar="TOOL", choices=NAMES, help=", ".join(NAMES))
    parser.add_argument(
        "path", nargs="?", metavar="PATH", help="its directory; for pem a file or directory; default: its own"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="add the tables to FILE, the configuration or a new file; default: print them",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="pem: the certificate that serves this key now, whatever the state says of it; "
        "without PATH the key in its configured files",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="keep nothing: only show what would be taken over"
    )
    add_wait(parser)
    parser.set_defaults(call=import_)


def import_(arguments: Arguments, console: Console) -> int:
    from certctl.app.passes import Options
    from certctl.onboarding import importing

    wanted = importing.Wanted(
        arguments.tool, arguments.path, arguments.output, arguments.dry_run, arguments.name
    )
    config = importing.in_use(arguments.config, os.environ, arguments.output)
    done = importing.run(wanted, config, Options(wait=arguments.wait, report=console.event))
    return _show(console, done, dry_run=arguments.dry_run)


def _show(console: Console, done: Imported, *, dry_run: bool) -> int:
    """Tell how each certificate fared, and what to type next. The exit status."""
    from certctl.onboarding.importing import REFUSED, document

    if console.as_json:
        console.document(document(done))
    elif done.output is None and done.fragment:
        console.page(done.fragment.rstrip("\n"))
        console.flush()
    for row in done.rows:
        _row(console, row)
    for row in done.accounts:
        tell = console.insist if row.state == REFUSED else console.say
        tell(f"account of {row.name}: {row.state}: {row.text}")
    if done.config is None and not dry_run:
        raise UsageError(
            "there is no configuration yet, so nothing was taken over",
            "write one of these tables, and take the keys over with it: "
            f"certctl import {done.tool} {done.path} --output {_place()}",
        )
    _next(console, done, dry_run=dry_run)
    return EXIT_FAILED if done.unwell else EXIT_OK


def _row(console: Console, row: Row) -> None:
    from certctl.onboarding.importing import LEFT, REFUSED

    if row.state == REFUSED:
        console.error(CertctlError(row.text, row.hint), row.name)
        return
    console.say(f"{row.name}: {row.state}: {row.text}{'' if row.state == LEFT else f' ({row.source})'}")
    for note in row.notes:
        console.say(f"{row.name}: note: {note}")


def _place() -> str:
    return "/etc/certctl/certctl.toml" if os.geteuid() == 0 else "certctl.toml"


def _next(console: Console, done: Imported, *, dry_run: bool) -> None:
    from certctl.onboarding.importing import FOUND, LEFT, REFUSED

    if dry_run or not any(row.state not in (REFUSED, LEFT, FOUND) for row in done.rows):
        return
    if done.output:
        console.say(f"the tables were added to {done.output}")
    elif done.fragment:
        console.say(
            f"now add the tables above to {done.config} (or let --output {done.config} do it), "
            "or the next passes know nothing of these certificates"
        )
    console.say(f"see what a pass would do: certctl plan --config {done.config}")
    if done.tree.switch_off:
        console.say(f"then keep {done.tool} from renewing on, or both will; whichever of these fits:")
        for line in done.tree.switch_off:
            console.say(f"  {line}")
