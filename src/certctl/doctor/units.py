"""What certctl.toml has passes write, held against what the installed systemd units let them write."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from certctl.doctor.finding import WARNING, Finding
from certctl.servers.units import Unit
from certctl.system.unit import mending


def check_units(
    units: Sequence[Unit], config: str, written: Mapping[str, Sequence[str]]
) -> Iterator[Finding]:
    """Find directories of *written* (each with who writes there) that a unit for *config* keeps read-only."""
    for unit in units:
        outside = [path for path in written if not unit.may_write(path)]
        if outside and os.path.realpath(unit.config) == os.path.realpath(config):
            told = "; ".join(f"{path} ({', '.join(written[path])})" for path in outside)
            yield Finding(
                WARNING,
                f"systemd {unit.path}",
                "unit-paths",
                f"{unit.name} may not write in {told}: its passes will fail",
                mending(unit.name, config),
            )
