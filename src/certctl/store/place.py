"""The state directory itself: a place for keys, with what is always in it, and nothing that a crash left."""

from __future__ import annotations

import os

from certctl.errors import StoreError
from certctl.store import atomic
from certctl.store.layout import Layout
from certctl.system import files
from certctl.system.safety import check_safe_place

OWN = frozenset(
    {
        "announce",
        "cache",
        "certificates",
        "clock",
        "dhparam",
        "dhparams",
        "hooks",
        "issuers",
        "journal",
        "live",
        "lock",
        "owner",
        "peers",
        "stamps",
        "state",
    }
)
"""What certctl keeps in the state directory, up to the first dot."""


def prepare(layout: Layout) -> None:
    """Make the state directory and what is always in it; clear up after a crash.

    Lineages and issuers are not looked through: there, whatever was interrupted
    is done again, and takes its own remains away. Raises CertctlError where others
    could exchange the directory.
    """
    root = layout.root
    atomic.make_directory(root, 0o700)
    _narrow(root)
    check_safe_place(root, "state directory", "for keys")
    for path in layout.directories():
        atomic.make_directory(path, 0o700)
    announced = [f"announce/{name}" for name in files.entries(f"{root}/announce")]
    for path in ("", "state", "live", "dhparam", "cache", "peers", "announce", *announced):
        place = os.path.join(root, path)
        if os.path.isdir(place):
            atomic.sweep(place)


def _narrow(root: str) -> None:
    """Keys come in here: a directory that was made too wide is narrowed, if it holds nothing else.

    Somebody may have written state_dir = "/tmp". Raises StoreError then.
    """
    strange = sorted(name for name in files.entries(root) if name.lstrip(".").split(".")[0] not in OWN)
    if not strange:
        atomic.narrow_directory(root, 0o700)
    elif (info := files.info(root, follow=True)) is not None and info.st_mode & 0o077:
        raise StoreError(
            f"{root} is open to others and holds {strange[0]}: it is no place for keys",
            f"choose a state_dir of its own, or, if it is certctl's: chmod 0700 {root}",
        )
