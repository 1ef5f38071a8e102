"""Names on the command line: refused where they name nothing, with the nearest one that does."""

from __future__ import annotations

from collections.abc import Collection

from certctl.errors import UsageError
from certctl.planning.spec import Spec
from certctl.system.text import nearest


def known(spec: Spec, names: Collection[str]) -> None:
    """Raise `UsageError` for a name that is neither a certificate nor DH parameters."""
    must_be(names, [*spec.certificates, *spec.dhparams], "certificate or DH parameter file", spec)


def certificates(spec: Spec, names: Collection[str]) -> None:
    """Raise `UsageError` for a name that is no certificate."""
    must_be(names, list(spec.certificates), "certificate", spec)


def must_be(names: Collection[str], there: Collection[str], what: str, spec: Spec) -> None:
    """Raise `UsageError` for a name that is none of those that are *there*."""
    for name in names:
        if name not in there:
            raise UsageError(f"{name} is no {what} of {spec.path}", hint(name, there))


def hint(name: str, there: Collection[str]) -> str:
    """What was probably meant by a *name* that is not *there*, or else what there is."""
    near = nearest(name, there)
    return f"did you mean {near}?" if near else f"there are: {', '.join(there) or 'none'}"


def logged(spec: Spec, name: str) -> None:
    """Raise `UsageError` for a name that nothing is called, so that nothing can have happened to it."""
    there = [*spec.certificates, *spec.dhparams, *spec.hooks, *spec.watches, *spec.issuers]
    there += [*spec.announcers, *spec.peers]
    must_be([name], there, "name", spec)
