"""One line for one cause: a CA that is dead for three hundred certificates is told once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certctl.engine.outcome import Failed
from certctl.errors import CertctlError
from certctl.planning.steps import Hold

_NAMED = 3


def failures(failed: Sequence[Failed]) -> Iterator[tuple[str, CertctlError]]:
    """What failed for which subjects, in the order of their first: by message and hint."""
    found: dict[tuple[str, str | None], list[Failed]] = {}
    for item in failed:
        found.setdefault((item.error.message, item.error.hint), []).append(item)
    for items in found.values():
        yield _subjects([item.step.subject for item in items]), items[0].error


def holds(waiting: Sequence[Hold]) -> Iterator[Hold]:
    """Holds with the same kind and reason as one, which ends with the first of them."""
    found: dict[tuple[str, str], list[Hold]] = {}
    for hold in waiting:
        found.setdefault((hold.kind, hold.reason), []).append(hold)
    for alike in found.values():
        ends = [hold.until for hold in alike if hold.until is not None]
        subject = _subjects([hold.subject for hold in alike])
        yield alike[0]._replace(subject=subject, until=min(ends, default=None))


def _subjects(names: Sequence[str]) -> str:
    """``mx1``, ``mx1, mx2``, ``mx1, mx2, mx3 and 297 more``."""
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
