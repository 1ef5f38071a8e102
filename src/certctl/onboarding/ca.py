"""The CA of `certctl init --acme`: what it is called here, its terms of service, its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple, TypeVar

from certctl.config import addresses
from certctl.config.problems import BadValueError, show
from certctl.errors import UsageError
from certctl.onboarding import names, toml

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


def choose(directory: str, email: Sequence[str], listen: Sequence[str], ca_file: str | None) -> Ca:
    """Check what was typed, each as certctl.toml takes it. Raises `UsageError`."""
    return Ca(
        names.issuer_name(_taken("--acme", addresses.acme_directory, directory)),
        directory,
        tuple(_taken("--email", addresses.email, one) for one in email),
        tuple(_taken("--listen", addresses.listen, one) for one in listen),
        os.path.abspath(ca_file) if ca_file else "",
    )


def beside(ca: Ca, others: Collection[str]) -> Ca:
    """Return *ca* under a name that none of the *others* has."""
    return ca._replace(name=names.free(ca.name, others))


def shown(ca: Ca) -> Ca:
    """Ask the CA where its terms of service are. Raises IssuerError if it does not say."""
    from certctl.issuers.acme.client import terms

    return ca._replace(terms=terms(ca.url, ca.ca_file))


def table(ca: Ca) -> str:
    """Give [issuer.NAME], with the comments of the starter."""
    return "".join(_lines(ca))


def _lines(ca: Ca) -> Iterator[str]:
    yield '# Who signs. "self-signed" and "private-ca" need no table; a CA that speaks ACME does.\n'
    yield toml.table("issuer", ca.name)
    yield toml.setting("type", "acme")
    yield _setting("directory", ca.directory, _REHEARSAL if ca.directory == "letsencrypt" else "")
    if ca.email:
        yield toml.setting("email", _one_or_all(ca.email))
    else:
        yield '#email = "hostmaster@example.org"   # for what the CA wants to tell you\n'
    yield _setting("agree_tos", True, f"you accept the CA's terms of service {ca.terms}".rstrip())
    yield _setting("challenge", "http-01", f'{_VISIT}; else "tls-alpn-01" or "dns-01"')
    if ca.listen:
        yield toml.setting("listen", _one_or_all(ca.listen))
    else:
        yield '#webroot = "/var/www/html"          # where a web server has that port: what it serves\n'
    if ca.ca_file:
        yield _setting("ca_file", ca.ca_file, "the root of the CA's own server")


def _setting(key: str, value: object, told: str) -> str:
    return toml.setting(key, value, told, column=_COLUMN)


def _one_or_all(values: Sequence[str]) -> str | Sequence[str]:
    return values[0] if len(values) == 1 else values


def _taken(option: str, take: Callable[[object], _T], value: str) -> _T:
    try:
        return take(value)
    except BadValueError as bad:
        raise UsageError(f"{option} {show(value)}: {bad}") from None
