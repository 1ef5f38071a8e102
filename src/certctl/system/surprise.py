"""The one net for what no one foresaw: a bug in one step becomes its failure, and the others go on."""

from __future__ import annotations

from certctl.errors import CertctlError, InternalError

MOST_TRACE = 4000
"""Characters of a traceback that are kept: its end, where it happened."""


def told(error: Exception) -> CertctlError:
    """*error* as it is told: what is expected as it is, anything else as a bug that is to be reported."""
    if isinstance(error, CertctlError):
        return error
    try:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f" ({where.name}, line {where.lineno})"
        trace = "".join(traceback.format_exception(error))[-MOST_TRACE:]
    except Exception:  # noqa: BLE001  # where memory or files are gone, telling of it must not fail, too
        at, trace = "", ""
    wrapped = InternalError(
        f"internal error: {type(error).__name__}: {error}{at}, please report it",
        "report it with the output of: certctl log --json",
        trace=trace,
    )
    wrapped.__cause__ = error
    return wrapped
