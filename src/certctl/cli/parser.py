"""The command line: how it is parsed, and the options that every command has."""

from __future__ import annotations

import argparse
import os
from typing import Any, NoReturn, TypeVar

from certctl.cli.options import COMMANDS

T = TypeVar("T")
EPILOG = """\
exit status: 0 done, nothing to do, or held; 1 something failed (the rest was done);
2 usage or configuration; 3 plan --check found work; 75 another pass holds the lock

new here? certctl init --dir DIR && cd DIR && certctl run && certctl status
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal; told the width, argparse need not import shutil to find it."""

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except (OSError, ValueError):
            columns = 80
        super().__init__(prog, max_help_position=28, width=min(max(columns, 40), 110) - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        from certctl.cli import wrong

        raise wrong.usage(self, message)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            from certctl.cli import wrong

            if action.dest == "command":
                raise wrong.command(str(value), COMMANDS)
            raise wrong.choice(self, action, value)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take options between words, too: there argparse by itself leaves words over."""
        found, over = super().parse_known_args(args, namespace)
        if self._subparsers is None and not self._again and any(word[:1] != "-" for word in over):
            self._again = True
            return self.parse_known_intermixed_args(args)
        return found, over

    _again = False


def build(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser for *wanted*; None: for what needs no command's options, which are left out then."""
    # argparse would look for its own words in other languages, at every one of them; ours are English.
    setattr(argparse, "_", _same)  # noqa: B010  # no attribute that its types know
    parser = _Parser(
        prog="certctl",
        description="Manages the keys and certificates of servers: renewal, key rotation, bundles, "
        "DH parameters, fingerprints for peers, reloads.",
        epilog=EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _common(parser, suppress=False)
    # Without prog, argparse would format a usage line for it, at the price of several imports.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog="certctl")
    for name, (text, options) in COMMANDS.items():
        if wanted is None:
            commands.add_parser(name, help=text, add_help=False, formatter_class=_Formatter)
        elif name == wanted:
            sub = commands.add_parser(
                name,
                help=text,
                description=text[:1].upper() + text[1:] + ".",
                formatter_class=_Formatter,
                allow_abbrev=False,
            )
            _common(sub, suppress=True)
            options(sub)
    return parser


def _same(text: T) -> T:
    return text


def _common(parser: argparse.ArgumentParser, *, suppress: bool) -> None:
    """Options that go before or after the command."""
    nothing = argparse.SUPPRESS
    group = parser.add_argument_group("global options")
    group.add_argument(
        "--config",
        metavar="FILE",
        default=nothing if suppress else None,
        help="default: $CERTCTL_CONFIG, ./certctl.toml, /etc/certctl/certctl.toml",
    )
    group.add_argument(
        "--json",
        action="store_true",
        default=nothing if suppress else False,
        help="print one JSON document, and nothing else, on standard output",
    )
    group.add_argument("-v", "--verbose", action="count", default=nothing if suppress else 0, help="say more")
    group.add_argument(
        "-q", "--quiet", action="store_true", default=nothing if suppress else False, help="only failures"
    )
    group.add_argument(
        "--version",
        action="store_true",
        default=nothing if suppress else False,
        help="print the version",
    )
