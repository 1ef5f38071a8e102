"""systemd: the drop-in that says where the units may write, printed or put in its place."""

from __future__ import annotations

import os

from certctl.cli.arguments import Arguments, Parser, load_spec
from certctl.cli.console import Console
from certctl.errors import EXIT_OK


def systemd_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--write",
        nargs="?",
        const="/etc/systemd/system",
        metavar="DIR",
        help="put it beside both units (default DIR: /etc/systemd/system); default: print it",
    )
    parser.set_defaults(call=systemd)


def systemd(arguments: Arguments, console: Console) -> int:
    from certctl.app import units

    spec = load_spec(arguments)
    writes = units.look(spec)
    for name in writes.unknown:
        console.say(
            f"certctl: what hook {name} writes is not known: if it is more than the drop-in opens, "
            "add ReadWritePaths= by systemctl edit certctl.service"
        )
    for path in writes.directories:
        if not os.path.isdir(path):
            console.say(f"certctl: {path} is not there yet: make it before a unit starts")
    written = units.write(spec, writes, os.path.abspath(arguments.write)) if arguments.write else []
    if console.as_json:
        rows = [{"path": path, "by": list(who)} for path, who in writes.directories.items()]
        unknown = list(writes.unknown)
        console.document({"version": 1, "directories": rows, "unknown_hooks": unknown, "written": written})
    elif written:
        for path in written:
            console.say(f"wrote {path}")
        console.say(
            "so that it counts: systemctl daemon-reload; systemctl try-restart certctl-daemon.service"
        )
    else:
        console.page(units.render(spec, writes).rstrip("\n"))
    return EXIT_OK
