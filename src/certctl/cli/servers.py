"""Options that name servers' configurations, for the commands that look at them: --postfix DIR, …"""

from __future__ import annotations

import argparse

_KINDS = (
    ("postfix", "DIR", "the directory of a main.cf"),
    ("dovecot", "FILE", "a dovecot.conf"),
    ("nginx", "FILE", "an nginx.conf"),
    ("haproxy", "FILE", "a haproxy.cfg"),
    ("exim", "FILE", "an exim configuration"),
)


def add(parser: argparse.ArgumentParser, verb: str = "") -> None:
    """Give *parser* the options; *verb* begins their help."""
    for kind, metavar, what in _KINDS:
        parser.add_argument(f"--{kind}", action="append", default=[], metavar=metavar, help=f"{verb}{what}")


def named(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """What was named: kind and path."""
    return [(kind, path) for kind, _, _ in _KINDS for path in getattr(arguments, kind)]
