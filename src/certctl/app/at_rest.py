"""A host at rest: nothing is to be done on it until a moment, or until a file changes.

Most passes find nothing to do, and on a host with many certificates even that takes
time. So a pass that found a host at rest keeps what everything looked like (`keep`),
and the next one compares that instead of planning (`plan`). Which files count is not
picked by hand: all of the state directory, the configuration, certctl itself and every
configured file. A file is unchanged if its size, its modification and change times and
its inode are (as for `store.stamps`). It is a cache, and may be thrown away at any time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import certctl
from certctl import config
from certctl.config.place import state_dir
from certctl.errors import CertctlError
from certctl.planning.steps import Plan
from certctl.store import atomic
from certctl.store.layout import Layout
from certctl.store.lock import lock
from certctl.system import clocks

if TYPE_CHECKING:
    from certctl.app.passes import Ran
    from certctl.planning.spec import Spec

WORTH = 20
"""Certificates from which a pass takes so long that it is worth a file of its own to spare it."""
VERSION = 1
TICK = 100_000_000
"""Nanoseconds: what changed this shortly before a look may have changed once more with the same times."""
LONGEST = 86400.0
"""Seconds: once a day a pass looks at everything, the clock too."""
_OURS = ("cache", "clock.json", "journal.jsonl", "lock", "stamps.json")
"""What passes write at any time, in the state directory."""


class AtRest(NamedTuple):
    """At rest as long as *paths* have their *numbers*."""

    made_for: str
    """Which certctl found it, for which configuration, as whom."""
    made_at: float
    """Seconds since the epoch."""
    until: float | None
    """Seconds since the epoch; None: for ever."""
    paths: list[str]
    numbers: list[int]
    """Four for each path."""


def plan(explicit: str | None) -> Plan | None:
    """The plan of a host that is known to be at rest still: without steps; None: a pass has to look.

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
            found = holds(Layout(place), _made_for(path), now)
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
        return save(layout, _made_for(spec.path), _outside(spec), until, looked_at)


def holds(layout: Layout, made_for: str, now: float) -> AtRest | None:
    """What was kept, if it still holds at *now*."""
    found = _load(layout.at_rest)
    if found is None or found.made_for != made_for or not 0 <= now - found.made_at < LONGEST:
        return None
    if found.until is not None and now >= found.until:
        return None
    return found if numbers(found.paths) == found.numbers else None


def save(layout: Layout, made_for: str, outside: Iterable[str], until: float | None, looked_at: int) -> bool:
    """Write the file, and tell whether that may be relied on.

    *outside*: the files beyond the state directory, which are all there; *looked_at*:
    nanoseconds since the epoch at which looking began. What changed after that, or
    is reached through links that lead elsewhere, was perhaps not seen: nothing is kept.
    """
    try:
        paths = [*dict.fromkeys(outside), *_state(layout.root)]
        infos = [os.lstat(path) for path in paths]
    except OSError:
        return False
    if any(info.st_ctime_ns > looked_at - TICK for info in infos):
        return False
    data = {
        "version": VERSION,
        "made_for": made_for,
        "made_at": looked_at / 1e9,
        "until": until,
        "paths": paths,
        "numbers": [number for info in infos for number in _numbers(info)],
    }
    atomic.replace_cache(layout.at_rest, json.dumps(data, separators=(",", ":")).encode())
    return True


def numbers(paths: Iterable[str]) -> list[int] | None:
    """The four numbers of each path that show a change; None where one of them is not there."""
    found: list[int] = []
    look = os.lstat
    try:
        for path in paths:
            info = look(path)
            found += (info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino)
    except (OSError, ValueError, TypeError):
        return None
    return found


def _numbers(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino


def _load(path: str) -> AtRest | None:
    try:
        with open(path, "rb") as file:
            data: Any = json.loads(file.read())
        if data["version"] != VERSION:
            return None
        found = AtRest(*(data[name] for name in AtRest._fields))
        # Whatever else is damaged is equal to nothing that is there.
        kinds = (isinstance(found.made_at, float), isinstance(found.until, float | None))
        if not all(kinds) or not found.paths or not isinstance(found.numbers, list):
            return None
        return found
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


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


def _state(root: str) -> Iterator[str]:
    """Every file, directory and link of the state directory but what passes write at any time."""
    yield root
    with os.scandir(root) as entries:
        top = [entry for entry in entries if not entry.name.startswith(_OURS)]
    for entry in top:
        yield from _below(entry, os.path.realpath(root))


def _below(entry: os.DirEntry[str], root: str) -> Iterator[str]:
    yield entry.path
    if entry.is_symlink() and not os.path.realpath(entry.path).startswith(f"{root}/"):
        raise OSError(f"{entry.path} leads elsewhere")
    if entry.is_dir(follow_symlinks=False):
        with os.scandir(entry.path) as entries:
            inner = list(entries)
        for one in inner:
            yield from _below(one, root)
