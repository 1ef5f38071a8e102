"""Options that name a CA which speaks ACME, and the question whether its terms of service are agreed to."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from certctl.cli.asking import ask, somebody
from certctl.errors import CertctlError, UsageError

if TYPE_CHECKING:
    from certctl.cli.console import Console
    from certctl.onboarding.ca import Ca


def add(parser: argparse.ArgumentParser) -> None:
    """Give *parser* the options."""
    parser.add_argument(
        "--acme",
        metavar="CA",
        help="who signs: letsencrypt, letsencrypt-staging, or the URL of a CA's ACME directory",
    )
    parser.add_argument(
        "--agree-tos", action="store_true", help="with --acme: you agree to the CA's terms of service"
    )
    parser.add_argument(
        "--email", action="append", default=[], metavar="ADDRESS", help="with --acme: for the CA's messages"
    )
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="with --acme: where the CA's questions arrive (default: port 80 of all addresses)",
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="with --acme: the root of a CA's own server, if it is private"
    )


def chosen(arguments: argparse.Namespace, console: Console) -> Ca | None:
    """Return the CA that was named, its terms agreed to; None without --acme.

    Raises UsageError where nobody can be asked, and CertctlError where the answer is no.
    """
    if arguments.acme is None:
        for option in ("agree_tos", "email", "listen", "ca_file"):
            if getattr(arguments, option):
                word = option.replace("_", "-")
                raise UsageError(f"--{word} goes with --acme only", "add --acme letsencrypt")
        return None
    from certctl.onboarding import ca as cas
    from certctl.onboarding.init import possible

    ca = cas.choose(arguments.acme, arguments.email, arguments.listen, arguments.ca_file)
    possible(arguments.names, arguments.dir)
    if arguments.agree_tos:
        return ca
    if arguments.yes or not somebody():
        raise UsageError(
            f"nobody is there to agree to the terms of service of {arguments.acme}",
            "read them, then add --agree-tos",
        )
    ca = cas.shown(ca)
    console.insist(f"{ca.url} gives certificates under its terms of service only:")
    console.insist(f"  {ca.terms or '(it names none)'}")
    if not ask("do you agree?"):
        raise CertctlError("the terms of service are not agreed to: nothing was written", transient=False)
    return ca
