"""A host on which there is nothing to do: told from what its files look like, without planning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import certctl
from certctl import config
from certctl.config.place import state_dir
from certctl.errors import CertctlError
from certctl.planning.steps import Plan
from certctl.store import at_rest
from certctl.store.layout import Layout
from certctl.store.lock import lock
from certctl.system import clocks

if TYPE_CHECKING:
    from certctl.app.passes import Ran
    from certctl.planning.spec import Spec

WORTH = 20
"""Certificates from which a pass takes so long that it is worth a file of its own to spare it."""


def known(explicit: str | None) -> Plan | None:
    """The plan of a host on which nothing changed since a pass found nothing to do, if that is all known.

    *explicit*: what --config said. Anything unusual (another certctl at work, a
    configuration that cannot be read) is for a pass to find and to tell.
    """
    try:
        path = os.path.abspath(config.find(explicit, os.environ))
        place = state_dir(path)
        if place is None or not os.path.exists(Layout(place).at_rest):
            return None
        with lock(Layout(place).lock, 0):
            now = clocks.nanoseconds() / 1e9
            found = at_rest.holds(Layout(place), _made_for(path), now)
    except CertctlError:
        return None
    if found is None:
        return None
    until = None if found.until is None else datetime.fromtimestamp(found.until, timezone.utc)
    return Plan(datetime.fromtimestamp(now, timezone.utc), (), (), until)


def keep(spec: Spec, ran: Ran, looked_at: int) -> bool:
    """Keep that *ran*, a pass for everything, found a host at rest; whether it was kept.

    *looked_at*: when the pass began, in nanoseconds since the epoch.
    """
    from certctl.planning import condition

    if ran.done or ran.failed or len(spec.certificates) < WORTH:
        return False
    if not condition.at_rest(spec, ran.world, ran.plan):
        return False
    moment, layout = ran.plan.next_pass_at, Layout(spec.state_dir)
    until = None if moment is None else moment.timestamp()
    with lock(layout.lock, 0):
        return at_rest.keep(layout, _made_for(spec.path), [*_outside(spec)], until, looked_at)


def _made_for(path: str) -> str:
    return f"certctl {certctl.__version__}, {path}, user {os.geteuid()}"


def _outside(spec: Spec) -> Iterator[str]:
    """What a pass depends on beyond the state directory: its configuration, accounts, program, and files."""
    yield spec.path
    yield from filter(os.path.exists, ("/etc/passwd", "/etc/group"))
    yield from (top for top, _, _ in os.walk(os.path.dirname(certctl.__file__)) if "__pycache__" not in top)
    for cert in spec.certificates.values():
        yield from (file.path for file in cert.files)
    for dhparam in spec.dhparams.values():
        yield dhparam.path
    yield from (announcer.path for announcer in spec.announcers.values() if announcer.path)
    for watch in spec.watches.values():
        for path in watch.paths:
            yield path
            # Links that lead to it count as well as what is there.
            yield os.path.realpath(path)
