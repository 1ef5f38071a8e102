"""What `certctl init --acme` writes: the table of a CA whose terms of service were agreed to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from certctl.config import addresses
from certctl.config.problems import BadValueError, quoted, show
from certctl.errors import UsageError

_WHOLE = 4096
"""Longer than any URL or path: what is written is not shortened as messages are."""
_COLUMN = 36
_REHEARSAL = '"letsencrypt-staging" to try it, or: certctl run --dry-run'
_VISIT = "the CA connects to port 80 of each name"
_T = TypeVar("_T")


class Ca(NamedTuple):
    """A CA that speaks ACME, as the command line names it."""

    name: str
    """The table's."""
    directory: str
    """A URL, or a word that stands for one."""
    email: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    ca_file: str = ""
    terms: str = ""
    """Where the terms are that somebody was shown."""

    @property
    def url(self) -> str:
        return addresses.acme_directory(self.directory)


def read(directory: str, email: Sequence[str], listen: Sequence[str], ca_file: str | None) -> Ca:
    """Check what was typed, each as certctl.toml takes it; the table has no name yet. Raises `UsageError`."""
    _taken("--acme", addresses.acme_directory, directory)
    return Ca(
        "",
        directory,
        tuple(_taken("--email", addresses.email, one) for one in email),
        tuple(_taken("--listen", addresses.listen, one) for one in listen),
        os.path.abspath(ca_file) if ca_file else "",
    )


def table(ca: Ca) -> str:
    """Give [issuer.NAME], with the comments of the starter."""
    return "".join(f"{line}\n" for line in _lines(ca))


def _lines(ca: Ca) -> Iterator[str]:
    yield '# Who signs. "self-signed" and "private-ca" need no table; a CA that speaks ACME does.'
    yield f"[issuer.{quoted(ca.name, _WHOLE)}]"
    yield 'type = "acme"'
    rehearsal = _REHEARSAL if ca.directory == "letsencrypt" else ""
    yield _setting("directory", show(ca.directory, _WHOLE), rehearsal)
    if ca.email:
        yield f"email = {_one_or_all(ca.email)}"
    else:
        yield '#email = "hostmaster@example.org"   # for what the CA wants to tell you'
    yield _setting("agree_tos", "true", f"you accept the CA's terms of service {_plain(ca.terms)}".rstrip())
    yield _setting("challenge", '"http-01"', f'{_VISIT}; else "tls-alpn-01" or "dns-01"')
    if ca.listen:
        yield f"listen = {_one_or_all(ca.listen)}"
    else:
        yield '#webroot = "/var/www/html"          # where a web server has that port: what it serves'
    if ca.ca_file:
        yield _setting("ca_file", show(ca.ca_file, _WHOLE), "the root of the CA's own server")


def _setting(key: str, value: str, comment: str) -> str:
    return f"{key} = {value}".ljust(_COLUMN - 1) + f" # {comment}" if comment else f"{key} = {value}"


def _one_or_all(values: Sequence[str]) -> str:
    shown = [show(value, _WHOLE) for value in values]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _plain(text: str) -> str:
    """One line, whatever the CA says."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _taken(option: str, take: Callable[[object], _T], value: str) -> _T:
    try:
        return take(value)
    except BadValueError as bad:
        raise UsageError(f"{option} {show(value)}: {bad}") from None
