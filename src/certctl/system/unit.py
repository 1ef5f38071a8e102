"""certctl's own systemd units: their names, their drop-in, and which of them this process runs in."""

from __future__ import annotations

import os

from certctl.system.files import read_file

SERVICES = ("certctl.service", "certctl-daemon.service")
HOME = "/etc/systemd/system"
CONFIG = "/etc/certctl/certctl.toml"
"""What the shipped units set as CERTCTL_CONFIG."""


def dropin(service: str, home: str = HOME) -> str:
    """The drop-in that says where *service* may write.

    Its number has it read before what `systemctl edit` makes, which can add to it.
    """
    return os.path.join(home, f"{service}.d", "10-paths.conf")


def own() -> str | None:
    """The unit that this process, or the one that started it, is of; None: no unit of certctl's."""
    for line in (read_file("/proc/self/cgroup") or b"").decode(errors="replace").splitlines():
        for service in SERVICES:
            if line.endswith(f"/{service}"):
                return service
    return None


def mending(service: str, config: str = CONFIG) -> str:
    """What to type so that *service* may write where *config* says."""
    named = "" if config == CONFIG else f" --config {config}"
    typed = f"certctl{named} systemd --write && systemctl daemon-reload"
    # systemd sets up what a service sees when it starts.
    return f"{typed} && systemctl restart {service}" if "daemon" in service else typed
