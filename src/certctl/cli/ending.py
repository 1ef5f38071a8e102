"""Signals that end a command: at once by an exception, and where that gets lost, after the step in hand."""

from __future__ import annotations

import signal

from certctl.errors import EndedError

_arrived: list[int] = []


def on(*numbers: signal.Signals) -> None:
    """Have these signals raise EndedError; one that is ignored (nohup) stays so."""
    for number in numbers:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    # Python drops what is raised in a destructor or in the callback of a weak reference, as its imports
    # have them: the signal is remembered, too.
    _arrived.append(number)
    raise EndedError(number)


def asked() -> bool:
    """Whether a signal arrived: a pass looks between its steps."""
    return bool(_arrived)


def check() -> None:
    """Raise EndedError for a signal whose own exception got lost."""
    if _arrived:
        raise EndedError(_arrived[0])
