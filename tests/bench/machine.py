"""The machine, named: figures without it say nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone

from tests.bench import peers


def described() -> dict[str, str]:
    """Processor, kernel, file system and the versions of what is compared."""
    return {
        "processor": f"{len(os.sched_getaffinity(0))} × {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}",
        "file system": _first(["stat", "-f", "-c", "%T", "/tmp"]),
        "python": sys.version.split()[0],
        "openssl": _first(["openssl", "version"]),
        "peers": ", ".join(_peers()) or "none",
        "load": f"{os.getloadavg()[0]:.1f} at the start",
    }


def day() -> str:
    """Today, in UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def _peers() -> Iterator[str]:
    """Names and versions of those that are installed."""
    if program := peers.certbot():
        yield _first([program, "--version"])
    for name in peers.NAMES:
        if shutil.which(name):
            yield f"{name} {_first(['dpkg-query', '-W', '-f', '${Version}', name])}"


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _first(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except OSError:
        return "-"
    return (done.stdout.splitlines() or ["-"])[0]
