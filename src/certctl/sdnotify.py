"""What systemd is told (sd_notify(3)): readiness, reloads, that the process is alive."""

from __future__ import annotations

import os
import socket
import time


def notify(state: str) -> bool:
    """Send *state* to the service manager. False where there is none; one that is gone is no error."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return False
    return True


def reloading() -> bool:
    """A reload has begun; `READY=1` ends it (Type=notify-reload wants the monotonic time)."""
    return notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life (sd_watchdog_enabled(3)); None: it does not."""
    text, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not text.isdigit() or int(text) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(text) / 1_000_000
