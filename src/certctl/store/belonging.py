"""Whose state directory it is, and whether it is still the one that it was: owner.json.

Two configurations with one state directory would undo each other's work in every
pass. And a directory that came back from a backup says that hooks ran for files
which servers may never have seen: so it knows its own inode, and that and the time
of its lock file, which no copy has.
"""

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from certctl.errors import CertctlError
from certctl.planning.state import HookState
from certctl.store import atomic, codec, journal, records
from certctl.store.layout import Layout
from certctl.system import files


class Owner(NamedTuple):
    """What owner.json says."""

    configuration: str
    """Absolute path; "" where none is known."""
    mark: tuple[int, ...]
    """What the directory was known by when it was used last."""


def load(layout: Layout) -> Owner | None:
    """None where there is none yet, or it is damaged. Raises UnreadableError."""
    data = files.read_file(layout.owner)
    try:
        document: Any = json.loads(data or b"")
        files.refuse_newer(document, layout.owner)
        configuration, mark = document["configuration"], document["mark"]
        if not isinstance(configuration, str) or not all(isinstance(number, int) for number in mark):
            return None
        return Owner(configuration, tuple(mark))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def mark(layout: Layout) -> tuple[int, ...]:
    """What tells the directory from every copy; nothing before it was locked for the first time."""
    root, lock = files.info(layout.root, follow=True), files.info(layout.lock)
    return () if root is None or lock is None else (root.st_ino, lock.st_ino, lock.st_ctime_ns)


def came_back(layout: Layout) -> bool:
    """Whether the directory is another one than that which was used last: a copy, from a backup mostly."""
    known, now = load(layout), mark(layout)
    return known is not None and bool(now) and known.mark != now


def check(layout: Layout, configuration: str) -> None:
    """Raise CertctlError where another configuration, which is still there, has the directory."""
    known = load(layout)
    other = known.configuration if known is not None else ""
    if not other or not configuration or os.path.realpath(other) == os.path.realpath(configuration):
        return
    if files.info(other, follow=True) is None:
        return  # it was renamed, or moved here together with its state
    raise CertctlError(
        f"{layout.root} is the state directory of {other}, not of {configuration}",
        f"give each a state_dir of its own; or, if {configuration} takes its place: rm {layout.owner}",
        transient=False,
    )


def hooks(layout: Layout) -> dict[str, HookState]:
    """What hooks ran for. A directory that came back may know of runs for what servers never saw: of none.

    Raises UnreadableError.
    """
    found = records.load_hooks(layout)
    if came_back(layout):
        found = {name: state._replace(delivered={}) for name, state in found.items()}
    return found


def take(layout: Layout, configuration: str, known: Mapping[str, HookState]) -> None:
    """Let the directory belong to *configuration*; *known* is what `hooks` said."""
    if came_back(layout):
        records.save_hooks(layout, known)
        why = "the state directory came back from a backup, or was moved: every hook runs once more"
        journal.record(layout.journal, datetime.now(timezone.utc), "restored", layout.root, reason=why)
    _keep(layout, configuration)


def _keep(layout: Layout, configuration: str) -> None:
    known, now = load(layout), mark(layout)
    wanted = Owner(configuration or (known.configuration if known else ""), now)
    if now and wanted != known:
        document = {"version": codec.VERSION, "configuration": wanted.configuration, "mark": wanted.mark}
        atomic.write(layout.owner, json.dumps(document).encode() + b"\n", 0o600)
