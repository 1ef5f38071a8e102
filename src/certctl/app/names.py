"""Names on the command line: refused where they name nothing, with the nearest one that does."""

from __future__ import annotations

from collections.abc import Collection

from certctl.errors import UsageError
from certctl.planning.spec import Spec


def known(spec: Spec, names: Collection[str]) -> None:
    """Raise `UsageError` for a name that is neither a certificate nor DH parameters."""
    _must_be(names, [*spec.certificates, *spec.dhparams], "certificate or DH parameter file", spec)


def certificates(spec: Spec, names: Collection[str]) -> None:
    """Raise `UsageError` for a name that is no certificate."""
    _must_be(names, list(spec.certificates), "certificate", spec)


def _must_be(names: Collection[str], there: list[str], what: str, spec: Spec) -> None:
    for name in names:
        if name not in there:
            import difflib

            near = difflib.get_close_matches(name, there, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(there) or 'none'}"
            raise UsageError(f"{name} is no {what} of {spec.path}", hint)


def logged(spec: Spec, name: str) -> None:
    """Raise `UsageError` for a name that nothing is called, so that nothing can have happened to it."""
    there = [*spec.certificates, *spec.dhparams, *spec.hooks, *spec.watches, *spec.issuers]
    there += [*spec.announcers, *spec.peers]
    _must_be([name], there, "name", spec)
