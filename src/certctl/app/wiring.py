"""Wires the adapters together for one configuration."""

from __future__ import annotations

import contextlib
import os
import zlib
from _thread import allocate_lock
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from certctl.app.lease import Lease
from certctl.engine.outcome import Event, Report
from certctl.engine.ports import Adapters, Progress
from certctl.errors import CertctlError
from certctl.planning.spec import CertificateSpec, DhparamSpec, HookSpec, Spec
from certctl.planning.state import CertificateState
from certctl.planning.times import to_milliseconds
from certctl.store.disk import DiskStore
from certctl.system import clocks

if TYPE_CHECKING:
    from certctl.announce.tools import Tools
    from certctl.ports import Announcer, Following, Hold, HookOutcome, Issuer


T = TypeVar("T")


def clock() -> datetime:
    """Now, as state and JSON carry it."""
    return to_milliseconds(datetime.now(timezone.utc))


def silent(_: Event) -> None:
    """For callers that show nothing while it happens."""


def adapters(
    spec: Spec,
    report: Report = silent,
    *,
    verify: bool = False,
    replace_unknown: Collection[str] = (),
    stop: Callable[[], bool] = lambda: False,
    lease: Lease | None = None,
) -> Adapters:
    """Everything real: the disk, the issuers, the hooks of this host.

    *lease*: the lock that is held, and let go of while others are asked.
    """
    store = DiskStore(spec.state_dir, verify=verify, replace_unknown=replace_unknown, configuration=spec.path)
    outside: Hold = partial(_outside, lease, store) if lease else nullcontext
    return Adapters(
        store=store,
        issuer=_once(partial(_issuer, spec, report, store)),
        announcer=_once(_announcers(spec, outside)),
        make_keys=make_keys,
        make_dhparam=partial(_make_dhparam, stop),
        resolve_hook=partial(resolve_hook, spec),
        run_hook=_run_hook,
        hook_basis=partial(_hook_basis, spec),
        hook_path=_hook_path,
        clock=clock,
        report=report,
        stop=stop,
        following=_following(spec) if spec.peers else None,
        prove=partial(_prove, store),
        hook_problem=_hook_problems(spec),
        outside=outside,
        inside=lease.inside if lease else nullcontext,
        clocks=clocks,
    )


@contextlib.contextmanager
def _outside(lease: Lease, store: DiskStore) -> Iterator[None]:
    store.leave()
    try:
        with lease.outside():
            yield
    finally:
        store.come_back()


def _once(make: Callable[[str], T]) -> Callable[[str], T]:
    """*make*, called once for each name, whatever number of threads ask at the same moment."""
    made: dict[str, T] = {}
    guard = allocate_lock()

    def get(name: str) -> T:
        with guard:
            if name not in made:
                made[name] = make(name)
            return made[name]

    return get


def _issuer(spec: Spec, report: Report, store: DiskStore, name: str) -> Issuer:
    from certctl.issuers.build import build
    from certctl.store.kept import below_own_root

    if spec.issuers[name].type == "acme":
        from certctl.app.logs import follow

        follow("certctl.acme", name, report)
    return build(
        spec.issuers[name], spec.state_dir, lambda: below_own_root(store.layout, spec.certificates, name)
    )


def _announcers(spec: Spec, outside: Hold) -> Callable[[str], Announcer]:
    made: list[Tools] = []  # one for all of them, and only if there are any

    def make(name: str) -> Announcer:
        from certctl.announce.build import build
        from certctl.app.tools import tools

        if not made:
            made.append(tools(outside, [via.check for via in spec.announcers.values() if via.check]))
        return build(spec.announcers[name], spec.state_dir, made[0])

    return make


def _following(spec: Spec) -> Following:
    from certctl.app.following import follower

    return follower(spec)


def _prove(store: DiskStore, cert: CertificateSpec, state: CertificateState) -> Sequence[str]:
    from certctl.app.proving import prove

    return prove(clock, store, cert, state)


def make_keys(algorithms: Sequence[str]) -> list[bytes]:
    from certctl.store.keys import generate_many

    return generate_many(algorithms)


def _make_dhparam(stop: Callable[[], bool], spec: DhparamSpec, progress: Progress | None) -> bytes:
    from certctl.dhparam.make import make

    return make(spec.bits, "ffdhe" if spec.source == "ffdhe" else "generate", progress=progress, stop=stop)


def resolve_hook(spec: Spec, hook: HookSpec) -> list[str]:
    """The argument vector of *hook*: its command, else its name in hooks_dir, else the shipped one."""
    from certctl.deploy.lookup import find_hook, resolve_command

    if hook.command:
        return resolve_command(hook.command, spec.hooks_dir, base=os.path.dirname(spec.path))
    return find_hook(hook.name, spec.hooks_dir)


def _run_hook(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> HookOutcome:
    from certctl.deploy.process import run_hook
    from certctl.store import atomic
    from certctl.system.secret import said_by

    atomic.seam("hook-start", argv[0])
    outcome = run_hook(argv, environment, timeout)
    atomic.seam("hook-end", argv[0])
    return outcome._replace(output=said_by(argv, outcome.output))


def _hook_basis(spec: Spec, hook: HookSpec) -> str:
    """What would run, and since when it is as it is."""
    try:
        argv = resolve_hook(spec, hook)
        info = [os.stat(word).st_mtime_ns for word in argv if word.startswith("/") and os.path.isfile(word)]
    except (CertctlError, OSError) as error:
        argv, info = [f"not to be run: {error}"], []
    # Its arguments may hold secrets.
    return f"{zlib.crc32(repr((argv, hook.timeout, info)).encode(errors='surrogateescape')):08x}"


def _hook_problems(spec: Spec) -> Callable[[HookSpec], str | None]:
    """Looks whether a hook could be run, once for each."""
    found: dict[str, str | None] = {}

    def look(hook: HookSpec) -> str | None:
        if hook.name not in found:
            found[hook.name] = None
            try:
                resolve_hook(spec, hook)
            except CertctlError as error:
                found[hook.name] = f"{error.message} ({error.hint})" if error.hint else error.message
        return found[hook.name]

    return look


def _hook_path() -> str:
    from certctl.deploy.lookup import hook_path

    return hook_path()
