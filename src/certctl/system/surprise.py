"""The one net for what no one foresaw: in one step it becomes that step's failure, and the others go on."""

from __future__ import annotations

import errno

from certctl.errors import CertctlError, InternalError

MOST_TRACE = 4000
"""Characters of a traceback that are kept: its end, where it happened."""
_HOST = frozenset(
    getattr(errno, name)
    for name in ["EIO", "ESTALE", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EROFS", "EAGAIN"]
    if hasattr(errno, name)
)
"""What no program can help: disks, memory and limits of the host."""
_LOOK = "look at the disks, the memory and the limits of this host: dmesg, df, free, ulimit -a"


def told(error: Exception) -> CertctlError:
    """*error* as it is told.

    What is expected, as it is; what the host's disks, memory or limits refuse, as a
    failure of the host; anything else as a bug that is to be reported.
    """
    if isinstance(error, CertctlError):
        return error
    failing = _of_the_host(error)
    if failing:
        wrapped = CertctlError(failing, _LOOK)
        wrapped.__cause__ = error
        return wrapped
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


def _of_the_host(error: Exception) -> str | None:
    """What the host refused, in words; None: it is not that."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "no thread can be started"  # Python has no class of its own for that
    if isinstance(error, ImportError) or (isinstance(error, OSError) and _while_importing(error)):
        return f"cannot load a part of the program: {_reason(error)}"
    if isinstance(error, OSError) and error.errno in _HOST:
        return _reason(error)
    return None


def _while_importing(error: OSError) -> bool:
    """Whether it was raised by the import of a module, most of which are loaded when they are needed."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        trace = trace.tb_next
    return False


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    said = (error.strerror or str(error)).lower()
    return f"{error.filename}: {said}" if error.filename else said
