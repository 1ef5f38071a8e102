"""How what is served differs from what should be: pure, in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from certctl.deploy.probe.failures import explain_failure
from certctl.deploy.probe.findings import (
    Found,
    look_at_chain,
    look_at_identity,
    look_at_session,
    look_at_validity,
)
from certctl.deploy.probe.values import Difference, Expected, Served

_STALE = ("previous", "old-certificate", "other-key")


def compare(served: Sequence[Served], expected: Expected, now: datetime) -> list[Difference]:
    """Return every way in which *served* is not as *expected*, the same one seen by several connections once.

    No difference of severity error means: what should be served is served, at every address that was
    asked, by every connection, in every algorithm.
    """
    differences: list[Difference] = []
    for (url, address, offered), group in groupby(served, lambda one: (one.url, one.address, one.offered)):
        looks = list(group)
        counted: dict[Found, int] = {}
        for look in looks:
            for found in dict.fromkeys(_differences(look, served, expected, now)):
                counted[found] = counted.get(found, 0) + 1
        for found, count in counted.items():
            message = _share(found, count, len(looks))
            differences.append(
                Difference(
                    found.severity, found.kind, url, address, offered, message, found.fix, count, len(looks)
                )
            )
    return differences


def _differences(
    look: Served, all_looks: Sequence[Served], expected: Expected, now: datetime
) -> Iterator[Found]:
    if look.failure is not None:
        yield explain_failure(look, all_looks)
        return
    if not look.chain:
        yield Found("error", "no-certificate", "TLS is spoken, but no certificate is served", "")
        return
    yield from look_at_identity(look, expected)
    yield from look_at_chain(look, expected)
    yield from look_at_validity(look, expected, now)
    yield from look_at_session(look)


def _share(found: Found, count: int, of: int) -> str:
    """The message; where only some connections saw it, it says so."""
    if count == of:
        return found.message
    why = ": old processes linger" if found.kind in _STALE else ""
    return f"{found.message}, on {count} of {of} connections{why}"
