"""Looking: the recorded state of everything configured, and the files as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from certctl.engine.ports import Adapters
from certctl.errors import CertctlError, UnreadableError
from certctl.planning import pins, transitions
from certctl.planning.clock import ClockSeen, Marks, Reading, judge
from certctl.planning.host_rules import served
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, DhparamSeen, FileSeen, HookSeen, World
from certctl.planning.spec import MINUTE, CertificateSpec, DhparamSpec, HookSpec, Spec
from certctl.planning.state import CertificateState, DhparamState, Failure, HookState
from certctl.system import surprise


class Observer:
    """Looks at one configuration; changes nothing."""

    def __init__(self, spec: Spec, adapters: Adapters) -> None:
        self._spec = spec
        self._adapters = adapters
        self._places = {name: pins.place(via) for name, via in spec.announcers.items()}
        self.surprises: dict[str, CertctlError] = {}
        """By what was looked at: why it could not be."""
        self.marks: Marks | None = None
        """What is to be remembered of the clock; None: nothing."""
        self.had: Marks | None = None
        """What was remembered of it before."""
        self.mended: set[str] = set()
        """Certificates whose state a clock that was ahead has written; the world has it put right."""

    def look(self) -> World:
        """The whole world."""
        clock = self._look_at_clock(self._adapters.clock())
        world = World({}, {}, hooks={}, announcers={}, peers={}, maps={}, clock=clock)
        self.look_at_all(world)
        return world

    def look_at_all(self, world: World) -> None:
        """Look anew at everything."""
        self._look_at(world, [*self._spec.certificates, *self._spec.dhparams])
        self._put_in_time(world, self._adapters.clock())
        self.look_at_followers(world)

    def _look_at_clock(self, now: datetime) -> ClockSeen:
        clocks = self._adapters.clocks
        if clocks is None:
            return ClockSeen()
        try:
            self.had = self._adapters.store.clock_marks()
        except CertctlError as error:
            self.surprises["clock"] = error
            return ClockSeen(f"it is not known when certctl ran last: {error.message}")
        reading = Reading(now, clocks.boot(), clocks.uptime())
        seen, self.marks = judge(self.had, reading)
        if seen.doubt is not None and clocks.synchronized():
            seen, self.marks = judge(self.had, reading._replace(synchronized=True))
        return seen

    def _put_in_time(self, world: World, now: datetime) -> None:
        if world.clock.doubt is not None:
            return
        for name, seen in world.certificates.items():
            if (
                seen.unreadable is None
                and (state := transitions.in_time(seen.state, now, world.clock.unproved)) is not seen.state
            ):
                world.certificates[name] = seen._replace(state=state)
                self.mended.add(name)

    def look_again(self, world: World, names: Collection[str]) -> None:
        """Look anew at the certificates and DH parameters called *names*, and at what follows them."""
        self._look_at(world, names)
        self.look_at_followers(world)

    def _look_at(self, world: World, names: Collection[str]) -> None:
        now = self._adapters.clock()
        for name in names:
            if name in self._spec.certificates:
                world.certificates[name] = self._certificate(self._spec.certificates[name], now)
            if name in self._spec.dhparams:
                world.dhparams[name] = self._dhparam(self._spec.dhparams[name])

    def _certificate(self, cert: CertificateSpec, now: datetime) -> CertificateSeen:
        """One certificate, with the observations that count under this configuration.

        Where looking at it fails in a way that no one foresaw, nothing of it is planned.
        """
        try:
            seen = self._adapters.store.observe_certificate(cert, now)
        except Exception as error:  # noqa: BLE001
            failed = self.surprises[cert.name] = surprise.told(error)
            return CertificateSeen(CertificateState(cert.name), unreadable=failed.message)
        state = transitions.without_stale(seen.state, {name: self._places[name] for name in cert.announce})
        return seen if state is seen.state else seen._replace(state=state, amended=True)

    def _dhparam(self, spec: DhparamSpec) -> DhparamSeen:
        try:
            return self._adapters.store.observe_dhparam(spec)
        except Exception as error:  # noqa: BLE001  # then nothing of it is planned
            self.surprises[spec.name] = surprise.told(error)
            return DhparamSeen(DhparamState(spec.name), True, FileSeen(spec.path))

    def look_at_followers(self, world: World) -> None:
        """What peers' maps, announcers and hooks have to follow, given the files and pins of *world*."""
        if self._adapters.following is not None:
            try:
                peers, maps = self._adapters.following.observe()
                world.peers.update(peers)
                world.maps.update(maps)
            except Exception as error:  # noqa: BLE001  # then no map is written
                self.surprises["peers"] = surprise.told(error)
        self._look_at_hooks(world)
        for name in self._spec.announcers:
            world.announcers[name] = self._announcer(world, name)
            self._count_shown(world, name)
        if any(file.hooks for seen in world.announcers.values() for file in seen.files):
            self._look_at_hooks(world)

    def _count_shown(self, world: World, announcer: str) -> None:
        """What was seen through *announcer* counts only as long as it shows that."""
        absent = world.announcers[announcer].absent
        for name, cert in self._spec.certificates.items() if absent else ():
            seen = world.certificates[name]
            if announcer in cert.announce and seen.unreadable is None:
                state = transitions.not_shown(seen.state, announcer, absent)
                if state is not seen.state:
                    world.certificates[name] = seen._replace(state=state, amended=True)

    def _look_at_hooks(self, world: World) -> None:
        world.hooks.clear()
        world.hooks.update(_hooks(self._spec, world, self._adapters, self.surprises))

    def _announcer(self, world: World, name: str) -> AnnouncerSeen:
        wanted = wanted_pins(self._spec, world, name, world.clock.sure or self._adapters.clock())
        try:
            return self._adapters.announcer(name).observe(wanted)
        except CertctlError:
            # The step that is due then fails for the same reason, and that is told.
            return AnnouncerSeen({certificate: pins.digest(entry) for certificate, entry in wanted.items()})
        except Exception as error:  # noqa: BLE001  # it counts as failed, and the other announcers go on
            failed, now = surprise.told(error), self._adapters.clock()
            self.surprises[name] = failed
            again = now + timedelta(seconds=MINUTE)
            return AnnouncerSeen(
                failure=Failure("announce", name, failed.message, failed.hint, now, 1, again)
            )


def wanted_pins(spec: Spec, world: World, announcer: str, now: datetime) -> dict[str, pins.Announced]:
    """What *announcer* should show, by certificate; those without any pin are left out.

    Previous pins stay until hooks have told the servers of their successors, and
    probes, where there are some, have seen these.
    """
    via, found = spec.announcers[announcer], {}
    for name, seen in world.certificates.items():
        cert = spec.certificates[name]
        if announcer in cert.announce and seen.unreadable is None:
            unproved = seen.state.unproved and cert.probe
            proved = seen.state.previous is None or (not unproved and served(seen, world.hooks))
            entry = pins.announced(cert, seen.state, now, via=via, proved=proved)
            if entry.pins:
                found[name] = entry
    return found


def _hooks(
    spec: Spec, world: World, adapters: Adapters, surprises: dict[str, CertctlError]
) -> dict[str, HookSeen]:
    """For each hook, the files that it serves as they are on disk now."""
    states = adapters.store.hook_states()
    unreadable: dict[str, str] = {}
    files: dict[str, dict[str, str]] = {name: {} for name in spec.hooks}
    for file in _served(world):
        if file.digest is not None:
            for name in file.hooks:
                files[name][file.path] = file.digest
    for watch in spec.watches.values():
        for path in watch.paths:
            try:
                digest = adapters.store.watched(path)
            except UnreadableError as error:
                for name in watch.hooks:
                    unreadable[name] = error.message
                    if path in (delivered := states.get(name, HookState(name)).delivered):
                        files[name][path] = delivered[path]
                continue
            except Exception as error:  # noqa: BLE001  # what cannot be seen has not changed
                surprises[watch.name] = surprise.told(error)
                continue
            for name in watch.hooks:
                # A file that never was there is no change; one that was and is gone is one.
                if digest or path in states.get(name, HookState(name)).delivered:
                    files[name][path] = digest
    seen = {}
    for name, hook in spec.hooks.items():
        state = states.get(name, HookState(name))
        basis, problem = _program(adapters, hook, state)
        seen[name] = HookSeen(state, files[name], basis, problem, unreadable.get(name))
    return seen


def _program(adapters: Adapters, hook: HookSpec, state: HookState) -> tuple[str, str | None]:
    """What would run, where that matters, and why it cannot be run."""
    try:
        return adapters.hook_basis(hook) if state.attempts else "", adapters.hook_problem(hook)
    except Exception as error:  # noqa: BLE001  # running it then fails, and that is told
        return state.basis, surprise.told(error).message


def _served(world: World) -> Iterator[FileSeen]:
    for certificate in world.certificates.values():
        yield from certificate.files
    for dhparam in world.dhparams.values():
        yield dhparam.file
    for announcer in world.announcers.values():
        yield from announcer.files
    yield from world.maps.values()
