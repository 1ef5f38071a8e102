"""The kernel's clocks: since when it runs, and whether its time of day is kept right by others."""

from __future__ import annotations

import errno
import os
import time

_TIME_ERROR = 5
_TIMEX = 512
"""Bytes, more than any struct timex has."""
_ABSTIME, _CANCEL_ON_SET = 1, 2
_FAR = 2**33
"""Seconds since the epoch: the year 2242, when a watch for jumps would end by itself, once."""


def boot() -> str:
    """Which start of the kernel this is; "" where it does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def uptime() -> float:
    """Seconds since the kernel was started, suspended ones too (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def nanoseconds() -> int:
    """The time of day, since the epoch; beyond the year 2262, where Python's own fails, that year."""
    try:
        return time.time_ns()
    except OverflowError:
        return 2**63 - 1


def synchronized() -> bool:
    """Whether somebody keeps the time of day right, since it was last set: adjtimex(2), not TIME_ERROR.

    Setting the clock makes the kernel forget that it was, until NTP says so again.
    """
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        # The first word, modes, is 0: nothing is changed.
        state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < _TIME_ERROR


class Jumps:
    """A descriptor to wait for: it can be read once somebody has set the clock, or the host was suspended.

    timerfd_create(2), TFD_TIMER_CANCEL_ON_SET. It costs nothing while nothing happens.
    Raises OSError where the kernel has no such thing.
    """

    def __init__(self) -> None:
        import ctypes

        self._libc = ctypes.CDLL(None, use_errno=True)
        self._spec = (ctypes.c_long * 4)(0, 0, min(_FAR, 2 ** (8 * ctypes.sizeof(ctypes.c_long) - 1) - 1), 0)
        self._fd = int(self._libc.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        try:
            self._arm()
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._fd

    def clear(self) -> bool:
        """Take what happened, and wait for the next; whether the clock was set."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.ECANCELED:
                raise
        self._arm()
        return True

    def close(self) -> None:
        os.close(self._fd)

    def _arm(self) -> None:
        import ctypes

        if self._libc.timerfd_settime(self._fd, _ABSTIME | _CANCEL_ON_SET, self._spec, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
