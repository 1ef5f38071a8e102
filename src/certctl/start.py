"""The console script's first steps: of root's environment, nothing chooses which modules are loaded."""

from __future__ import annotations

import os
import sys

FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPLATLIBDIR")


def main() -> None:
    """Run certctl; as root, where Python was pointed at other modules, anew and isolated (python -I).

    An installer chooses the first line of the script, so it cannot say -I there.
    """
    if os.geteuid() == 0 and not sys.flags.isolated and any(name in os.environ for name in FOREIGN):
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        os.execve(sys.executable, [sys.executable, "-I", *sys.argv], kept)  # noqa: S606  # it is ourselves
    run()


def run() -> None:
    """Load certctl and run it; a disk or a memory that does not give its modules is told in one line."""
    try:
        from certctl.cli.main import entry
    except (OSError, MemoryError, ImportError) as error:
        os.write(2, f"certctl: error: its own modules cannot be read: {error}\n".encode())
        raise SystemExit(1) from None
    entry()
