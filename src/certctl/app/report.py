"""report: the page of everything, for people who look at it once a week."""

from __future__ import annotations

import os

from certctl.app import passes, status, wiring
from certctl.errors import CertctlError, UsageError
from certctl.planning.plan import plan
from certctl.planning.spec import Spec
from certctl.report import page
from certctl.store import atomic, journal
from certctl.store.layout import Layout


def make(spec: Spec) -> str:
    """The page as it is now. Nothing is changed."""
    world = passes.observe(spec)
    planned = plan(spec, world, wiring.clock())
    events = list(journal.read(Layout(spec.state_dir).journal))
    return page.render(
        os.uname().nodename, status.describe(spec, world, planned), status.plan_document(planned), events
    )


def write(spec: Spec, path: str) -> str:
    """Replace the report at *path*, whole or not at all. Raises UsageError for a file of another kind."""
    path = os.path.abspath(path)
    mode = 0o644
    if os.path.lexists(path):
        mode = os.stat(path).st_mode & 0o666 if os.path.isfile(path) else mode
        if not _replaceable(path):
            raise UsageError(
                f"{path} is there, and it is no report of certctl: it was left as it is",
                "name another file, or remove that one",
            )
    atomic.write(path, make(spec).encode(), mode)
    return path


def _replaceable(path: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            start = file.read(200)
    except OSError as error:
        raise CertctlError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    return not start or page.MARKER.encode() in start
