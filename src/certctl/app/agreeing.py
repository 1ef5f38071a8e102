"""The CA that init is to write down: what it is called here, and its terms of service."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from certctl.app import matching
from certctl.config import starter, starter_acme
from certctl.config.starter_acme import Ca
from certctl.importing.fragment import issuer_name


def choose(directory: str, email: Sequence[str], listen: Sequence[str], ca_file: str | None) -> Ca:
    """Return the CA with the ACME *directory*; raises UsageError for what certctl.toml would not take."""
    ca = starter_acme.read(directory, email, listen, ca_file)
    return ca._replace(name=issuer_name(ca.url))


def beside(ca: Ca, others: Collection[str]) -> Ca:
    """Return *ca* under a name that none of the *others* has."""
    return ca._replace(name=matching.free(ca.name, set(others)))


def shown(ca: Ca) -> Ca:
    """Ask the CA where its terms of service are. Raises IssuerError if it does not say."""
    from certctl.issuers.acme.client import terms

    return ca._replace(terms=terms(ca.url, ca.ca_file))


def possible(names: Sequence[str], directory: str | None) -> None:
    """Raise what init would for these arguments, so that nobody is asked in vain."""
    starter.target(directory)
    starter.canonical(names)
