"""Arguments that several commands have, and what is made of them: the configuration, and how passes run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from certctl.cli import ending
from certctl.cli.console import Console
from certctl.errors import CertctlError
from certctl.planning.spec import Spec

if TYPE_CHECKING:
    from certctl.app.passes import Options

Arguments = argparse.Namespace
Parser = argparse.ArgumentParser
MOST_SECONDS = 366 * 86400.0

_SERVERS = (
    ("postfix", "DIR", "the directory of a main.cf"),
    ("dovecot", "FILE", "a dovecot.conf"),
    ("nginx", "FILE", "an nginx.conf"),
    ("haproxy", "FILE", "a haproxy.cfg"),
    ("exim", "FILE", "an exim configuration"),
)


def add_names(parser: Parser, count: str = "*", what: str = "certificates") -> None:
    parser.add_argument(
        "names", nargs=count, metavar="NAME", help=f"{what}; default: all" if count == "*" else what
    )


def add_name(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="certificate")


def add_pass(parser: Parser) -> None:
    """For what runs a pass."""
    add_wait(parser)
    parser.add_argument(
        "--verify", action="store_true", help="compare the content of every file, whatever its times say"
    )


def add_wait(parser: Parser, seconds: float = 30.0) -> None:
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=seconds,
        metavar="SECONDS",
        help=f"how long to wait for another pass to end (default {seconds:g})",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def add_servers(parser: Parser, verb: str = "") -> None:
    """Options that name servers' configurations: --postfix DIR, …; *verb* begins their help."""
    for kind, metavar, what in _SERVERS:
        parser.add_argument(f"--{kind}", action="append", default=[], metavar=metavar, help=f"{verb}{what}")


def servers(arguments: Arguments) -> list[tuple[str, str]]:
    """The servers' configurations that were named: kind and path."""
    return [(kind, path) for kind, _, _ in _SERVERS for path in getattr(arguments, kind)]


def load_spec(arguments: Arguments) -> Spec:
    """Find and load the configuration that is meant. Raises `ConfigError` and `UsageError`."""
    import os

    from certctl import config

    return config.load(config.find(arguments.config, os.environ))


def load_spec_if_any(arguments: Arguments) -> Spec | None:
    """A host without certctl.toml can be looked at too; one that was named must be good."""
    try:
        return load_spec(arguments)
    except CertctlError:
        if arguments.config:
            raise
        return None


def options(arguments: Arguments, console: Console) -> Options:
    """How a pass is to run."""
    from certctl.app.passes import Options

    return Options(
        wait=arguments.wait,
        verify=getattr(arguments, "verify", False),
        accept_clock=getattr(arguments, "accept_clock", False),
        report=console.event,
        progress=progress(console),
        stop=ending.asked,
        replace_unknown=tuple(getattr(arguments, "replace_unknown_keys", ())),
    )


def progress(console: Console) -> Callable[[object], None] | None:
    """Shows how far a search for DH parameters is, to somebody who watches."""
    if not console.on_terminal:
        return None

    def show(value: object) -> None:
        from certctl.dhparam.progress import Progress, format_progress

        if isinstance(value, Progress):
            console.progress(format_progress(value))

    return show
