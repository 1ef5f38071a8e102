"""The command line: how it is parsed, and the options that every command has."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

from certctl.cli.commands import COMMANDS, arguments_of
from certctl.errors import UsageError

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
        raise _wrong_usage(self, message)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            if action.dest == "command":
                raise _wrong_command(str(value))
            raise _wrong_choice(self, action, value)

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
    parser.set_defaults(keys=True)  # what handles no keys says so beside its arguments
    # Without prog, argparse would format a usage line for it, at the price of several imports.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", prog="certctl")
    for name, (_, text) in COMMANDS.items():
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
            arguments_of(name)(sub)
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


_UNRECOGNIZED = "unrecognized arguments: "
"""How argparse begins to say what it cannot place."""


def _wrong_command(word: str) -> UsageError:
    """*word* stands where a command should."""
    near = _nearest(word, COMMANDS)
    return UsageError(
        f"no command called {word}", f"did you mean certctl {near}?" if near else "certctl --help lists them"
    )


def _wrong_choice(parser: argparse.ArgumentParser, action: argparse.Action, value: object) -> UsageError:
    """*value* is none of those that an option or an argument takes."""
    known = [str(one) for one in action.choices or ()]
    name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    near = _nearest(str(value), known)
    return UsageError(
        f"{name}: {value} is not one of {', '.join(known)}",
        f"did you mean {near}?" if near else f"{parser.prog} --help",
    )


def _wrong_usage(parser: argparse.ArgumentParser, message: str) -> UsageError:
    """Anything else that argparse refuses; an option that is not known may have a neighbour."""
    if message.startswith(_UNRECOGNIZED):
        words = message.removeprefix(_UNRECOGNIZED).split()
        option = next((word.partition("=")[0] for word in words if word.startswith("--")), None)
        near = _nearest(option, _options(parser)) if option else None
        if near:
            return UsageError(f"no option called {option}", f"did you mean {near}?")
    return UsageError(message, f"{parser.prog} --help")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The long options of *parser* and of the command that was given."""
    for action in parser._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        for below in (action.choices or {}).values() if isinstance(action.choices, dict) else ():
            yield from _options(below)


def _nearest(word: str, known: Iterable[str]) -> str | None:
    from certctl.system.text import nearest

    return nearest(word, known)
