"""accept, account and revoke: what is spoken with an issuer beside its certificates."""

from __future__ import annotations

from typing import Any

from certctl.cli.arguments import Arguments, Parser, add_name, add_pass, load_spec, options
from certctl.cli.console import Console
from certctl.errors import EXIT_FAILED, EXIT_OK
from certctl.planning.times import rfc3339

_WORDS = (
    ("issuer", "issuer"),
    ("directory", "directory"),
    ("url", "account"),
    ("status", "status"),
    ("contact", "contact"),
    ("thumbprint", "thumbprint"),
    ("key_file", "key"),
    ("terms", "terms of service"),
)


def accept_arguments(parser: Parser) -> None:
    add_name(parser)
    parser.add_argument(
        "pem", nargs="+", metavar="PEM", help="files with the certificate and its intermediates"
    )
    add_pass(parser)
    parser.set_defaults(call=accept)


def account_arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=("show", "rollover", "deactivate"))
    parser.add_argument("issuer", metavar="ISSUER", help="an issuer of type acme")
    add_pass(parser)
    parser.set_defaults(call=account)


def revoke_arguments(parser: Parser) -> None:
    add_name(parser)
    parser.add_argument("--slot", choices=("current", "next", "previous"), default="current")
    parser.add_argument(
        "--reason",
        default="unspecified",
        metavar="R",
        help="keyCompromise, superseded, cessationOfOperation, … (RFC 5280); default: unspecified",
    )
    add_pass(parser)
    parser.set_defaults(call=revoke)


def accept(arguments: Arguments, console: Console) -> int:
    from certctl.app import accepting
    from certctl.cli import outcome

    how = options(arguments, console)
    result = accepting.accept(load_spec(arguments), arguments.name, arguments.pem, how)
    return outcome.show(console, result, asked=[arguments.name])


def account(arguments: Arguments, console: Console) -> int:
    from certctl.app import accounts

    how = options(arguments, console)
    document = accounts.account(load_spec(arguments), arguments.action, arguments.issuer, how)
    if console.as_json:
        console.document(document)
    else:
        show_account(console, document)
    return EXIT_OK


def show_account(console: Console, document: dict[str, Any]) -> None:
    """One fact a line; what the CA does not tell is left out."""
    for field, word in _WORDS:
        value = document.get(field)
        if value:
            text = ", ".join(value) if isinstance(value, list | tuple) else str(value)
            console.answer(f"{word.ljust(16)}  {text}")


def revoke(arguments: Arguments, console: Console) -> int:
    from certctl.app import accounts
    from certctl.app.wiring import clock
    from certctl.cli import outcome

    name, slot, reason = arguments.name, arguments.slot, arguments.reason
    result = accounts.revoke(load_spec(arguments), name, slot, reason, options(arguments, console))
    if console.as_json:
        at = rfc3339(clock())
        document = {"version": 1, "certificate": name, "slot": slot, "reason": reason, "revoked_at": at}
        console.document(document)
    else:
        console.answer(f"{name}: the {slot} certificate is revoked ({reason})")
    if result is None or console.as_json:
        return EXIT_FAILED if result and result.failed else EXIT_OK
    return outcome.show(console, result, asked=[name])
