"""The store on disk: what the engine observes and keeps (docs/state.md)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from certctl.errors import CertctlError, StateError, StoreError
from certctl.planning.clock import Marks
from certctl.planning.host_rules import take_over
from certctl.planning.observed import CertificateSeen, DhparamSeen, FileSeen
from certctl.planning.spec import CertificateSpec, DhparamSpec
from certctl.planning.state import (
    SLOTS,
    CertificateState,
    DhparamState,
    Generation,
    HookState,
    KeyRecord,
    Request,
)
from certctl.store import (
    atomic,
    belonging,
    clockfile,
    dhparams,
    generations,
    journal,
    keyfiles,
    meanwhile,
    outputs,
    place,
    recorded,
    records,
    unknown,
)
from certctl.store.files import Files
from certctl.store.layout import Layout
from certctl.store.materials import Materials
from certctl.store.stamps import Stamps
from certctl.system import files
from certctl.x509.bundle import Change, Material, Prepared


class DiskStore:
    """One state directory, and the files outside of it that the configuration names.

    Observing changes nothing. Whoever writes holds the lock (store.lock).
    """

    def __init__(
        self,
        state_dir: str,
        *,
        verify: bool = False,
        replace_unknown: Collection[str] = (),
        configuration: str = "",
    ) -> None:
        self.layout = Layout(state_dir)
        self._configuration = configuration
        outputs.check_readable(state_dir)
        self._stamps = Stamps(self.layout.stamps, trust=not verify)
        self._materials = Materials(self.layout, self._stamps)
        self._files = Files(self.layout, self._stamps, self._materials)
        self._known: records.Known = {}
        self._replace_unknown = replace_unknown
        """Certificates in whose files a person gives up keys that the state does not have."""
        self._left, self._changed = meanwhile.marks(self.layout), False

    @cached_property
    def _hooks(self) -> dict[str, HookState]:
        return belonging.hooks(self.layout)

    @cached_property
    def _dhparams(self) -> dict[str, DhparamState]:
        return records.load_dhparams(self.layout)

    def prepare(self) -> None:
        """Make the state directory and what is always in it; clear up after a crash. Raises CertctlError."""
        belonging.check(self.layout, self._configuration)
        place.prepare(self.layout)
        belonging.take(self.layout, self._configuration, self._hooks)

    def leave(self) -> None:
        """Remember how everything looks: the lock is about to be let go of."""
        self._left = meanwhile.marks(self.layout)

    def come_back(self) -> None:
        """The lock is held again: what others kept meanwhile counts."""
        if meanwhile.marks(self.layout) != self._left:
            self._changed = True
            for name in ("_hooks", "_dhparams"):
                self.__dict__.pop(name, None)

    def reread(self) -> bool:
        """Whether others changed anything since the pass was last outside."""
        changed, self._changed = self._changed, False
        return changed

    def in_hand(self, names: Collection[str]) -> AbstractContextManager[frozenset[str]]:
        """Take in hand what of *names* no other process has."""
        return meanwhile.in_hand(self.layout.in_hand, names)

    # Certificates

    def observe_certificate(self, cert: CertificateSpec, now: datetime) -> CertificateSeen:
        """The state of one lineage, and what is wrong with its files.

        Where anything of it cannot be read nothing may be concluded, not even from the rest.
        """
        state = CertificateState(cert.name)
        try:
            state, recovered = self._load(cert, now)
            return self._observe(cert, state, recovered, now)
        except StoreError as error:
            return CertificateSeen(state, tuple(self._files.unserved(cert)), unreadable=error.message)

    def _observe(
        self, cert: CertificateSpec, state: CertificateState, recovered: str | None, now: datetime
    ) -> CertificateSeen:
        state, wrong = recorded.corrected(self.layout, self._stamps, state)
        seen, astray = self._look(cert, state)
        if wrong and recovered is None:
            recovered = f"recorded fingerprints were not those of the {' and '.join(wrong)} on disk"
        if recovered is not None:
            return seen._replace(recovered=recovered)
        forgotten = state.current is None and records.is_served(self.layout, cert.name)
        odd = bool(astray or seen.lost or seen.damaged)
        if forgotten or (odd and keyfiles.mixed_up(self.layout, state)):
            rebuilt = records.rebuild(self.layout, cert, now)
            if rebuilt is not None:
                why = f"{self.layout.state(cert.name)} does not fit the keys on disk"
                again, _ = self._look(cert, rebuilt)
                return again._replace(recovered=f"{why}; it was put together again from them")
        # The files of the current generation are repaired by a step of their own.
        moved = [slot for slot in astray if slot != "current"]
        return seen._replace(recovered=f"keys were not in their place: {', '.join(moved)}" if moved else None)

    def _look(self, cert: CertificateSpec, state: CertificateState) -> tuple[CertificateSeen, list[str]]:
        """What there is of *state*; and the slots whose keys are there, but somewhere else."""
        lost: set[str] = set()
        damaged: set[str] = set()
        astray: list[str] = []
        for slot in SLOTS:
            generation = state.slot(slot)
            if generation is None:
                continue
            if self._gone(state, slot):
                damaged.add(slot)
            if not self._in_place(cert.name, slot, generation):
                astray.append(slot)
                lost |= {slot} if self._lost(cert.name, generation) else set()
        files = self._files.unserved(cert)
        if state.current is not None and "current" not in lost:
            damaged.discard("current")
            try:
                files = self._files.observe(cert, state.current)
            except StateError:
                gone = self._lost(cert.name, state.current)
                (lost if gone else damaged).add("current")
        marked = tuple(files)
        if cert.name not in self._replace_unknown:
            marked = unknown.marked(self.layout, state, marked)
        ahead = unknown.served_next(state, marked)
        seen = CertificateSeen(state, marked, frozenset(lost), frozenset(damaged), served_next=ahead)
        return seen, [slot for slot in astray if slot not in lost]

    def _lost(self, name: str, generation: Generation) -> bool:
        """Whether a key of *generation* is nowhere any more."""
        try:
            for key in generation.keys:
                self.read_key(name, generation, key)
        except StateError:
            return True
        return False

    def _load(self, cert: CertificateSpec, now: datetime) -> tuple[CertificateState, str | None]:
        damage = None
        try:
            state = records.load(self.layout, cert.name, self._known)
        except StateError as error:
            state, damage = None, error.message
        if state is not None:
            return state, None
        rebuilt = records.rebuild(self.layout, cert, now)
        if rebuilt is not None:
            trouble = damage or f"{self.layout.state(cert.name)} is missing"
            return rebuilt, f"{trouble}; it was put together again from what is on disk"
        # What is missing altogether is a fresh start, and nothing to tell.
        return CertificateState(cert.name), damage

    def _in_place(self, name: str, slot: str, generation: Generation) -> bool:
        if slot != "current":
            return keyfiles.in_place(self.layout, self._stamps, name, generation)
        # What the current key files hold is looked at together with the certificates.
        paths = [self.layout.key(name, generation.number, key.algorithm) for key in generation.keys]
        return all(outputs.lstat(path) is not None for path in paths)

    def _gone(self, state: CertificateState, slot: str) -> bool:
        generation = state.slot(slot)
        if generation is None or not generation.issuance:
            return False
        return not files.is_directory(
            self.layout.issuance(state.name, generation.number, generation.issuance)
        )

    def repair_state(self, seen: CertificateSeen, now: datetime) -> str | None:
        """Keep a state that was put together again, and put keys back that are not in their place.

        Returns where a damaged state file went, if there was one.
        """
        aside = None
        if not records.is_kept(self.layout, seen.state):
            aside = records.set_aside(self.layout, seen.state.name, now)
            self.save(seen.state)
        keyfiles.put_back(self.layout, seen.state)
        return aside

    # Changes: nothing is written before they are committed

    def commit(self, changes: Sequence[Change]) -> list[CertctlError | None]:
        """Make *changes* durable together; what went wrong with each."""
        failures: list[CertctlError | None] = [*atomic.commit_all([change.batch for change in changes])]
        for at, change in enumerate(changes):
            if failures[at] is None:
                try:
                    change.done()
                except CertctlError as error:
                    failures[at] = error
        return failures

    def new_state(self, state: CertificateState) -> Change:
        return Change(atomic.Batch().file(self.layout.state(state.name), records.encode(state), 0o600))

    def save(self, state: CertificateState) -> None:
        """Commit a new state by itself."""
        atomic.commit(self.new_state(state).batch)

    def free_number(self, state: CertificateState, keys: Sequence[bytes] = ()) -> int:
        return generations.free_number(self.layout, state, keys)

    def unrecorded_keys(self, state: CertificateState, algorithms: Sequence[str]) -> tuple[bytes, ...] | None:
        """What a crash made but did not record: a key for each of *algorithms*, never issued for."""
        return generations.unrecorded_keys(self.layout, state, algorithms)

    def new_keys(self, number: int, keys: Sequence[tuple[str, bytes]], state: CertificateState) -> Change:
        return generations.new_keys(self.layout, number, keys, state, records.encode(state))

    def read_key(self, name: str, generation: Generation, record: KeyRecord) -> bytes:
        return generations.read_key(self.layout, name, generation, record)

    def work_directory(self, name: str, generation: Generation) -> str:
        """Where an issuer may keep notes: below a directory that is there."""
        return self.layout.work(name, generation.number)

    def new_issuance(
        self,
        generation: Generation,
        materials: Sequence[Material],
        request: Request,
        state: CertificateState,
    ) -> Change:
        encoded = records.encode(state)
        change = generations.new_issuance(self.layout, generation, materials, request, state, encoded)
        return change._replace(done=partial(self._kept, state.name, generation, materials))

    def _kept(self, name: str, generation: Generation, materials: Sequence[Material]) -> None:
        self._materials.remember(name, generation, materials)
        recorded.confirm(self.layout, self._stamps, name, generation)

    def unrecorded_issuance(
        self, name: str, generation: Generation
    ) -> tuple[Request, tuple[list[bytes], ...]] | None:
        """What a crash left issued but not recorded: the request, and a chain for each key."""
        number, issuance = generation.number, max(generation.issuance, generation.highest) + 1
        request = generations.read_request(self.layout, name, number, issuance)
        if request is None:
            return None
        from certctl.x509.pem import certificates

        chains = []
        for key in generation.keys:
            inner = key.algorithm if len(generation.keys) > 1 else ""
            issued = os.path.join(self.layout.issuance(name, number, issuance), inner)
            data = [outputs.read(os.path.join(issued, file)) or b"" for file in ("fullchain.pem", "root.pem")]
            try:
                chains.append(certificates(b"".join(data)))
            except CertctlError:
                return None
        return request, tuple(chains)

    def read_materials(self, name: str, generation: Generation) -> tuple[Material, ...]:
        return self._materials.read(name, generation)

    def removal(self, number: int, state: CertificateState) -> Change:
        return generations.removal(self.layout, number, state, records.encode(state))

    # Files

    def prepare_file(self, cert: CertificateSpec, current: Generation, path: str) -> Prepared:
        """What brings live/NAME or one configured file to the current generation.

        What the state does not have is not replaced; where a person gave it up, a copy is kept.
        """
        prepared = self._files.prepare(cert, current, path)
        state = records.load(self.layout, cert.name, self._known) or CertificateState(cert.name, current)
        why = None if path == self.layout.live(cert.name) else unknown.conflict(self.layout, state, path)
        if why is None:
            return prepared
        if cert.name not in self._replace_unknown:
            raise StoreError(why.text, take_over(cert.name, path, is_strange=why.is_strange))
        kept = unknown.backup(self.layout, state, path)
        assert kept is not None
        atomic.write(*kept, 0o600)
        return prepared

    # DH parameters

    def observe_dhparam(self, spec: DhparamSpec) -> DhparamSeen:
        """What is kept, and what is wrong with the configured file."""
        try:
            state = self._dhparams.get(spec.name, DhparamState(spec.name))
            return dhparams.observe(self.layout, self._files, spec, state)
        except StoreError as error:
            return DhparamSeen(
                DhparamState(spec.name), True, FileSeen(spec.path, None, spec.hooks), unreadable=error.message
            )

    def keep_dhparam(self, state: DhparamState, data: bytes | None = None) -> None:
        """Keep what is known of DH parameters, and the parameters themselves where they are new."""
        if data is not None:
            atomic.write(self.layout.dhparam(state.name), data, 0o600)
        self._dhparams[state.name] = state
        records.save_dhparams(self.layout, self._dhparams)

    def prepare_dhparam_file(self, spec: DhparamSpec) -> Prepared:
        return dhparams.prepare(self.layout, self._files, spec, self._dhparams[spec.name])

    # Hooks

    def watched(self, path: str) -> str:
        return self._files.watched(path)

    def hook_states(self) -> Mapping[str, HookState]:
        return self._hooks

    def save_hooks(self, states: Collection[HookState]) -> None:
        self._hooks.update({state.name: state for state in states})
        records.save_hooks(self.layout, self._hooks)

    # The rest

    def clock_marks(self) -> Marks | None:
        return clockfile.load(self.layout)

    def keep_clock_marks(self, marks: Marks) -> None:
        clockfile.save(self.layout, marks)

    def journal(self, now: datetime, event: str, subject: str, **details: Any) -> None:
        journal.record(self.layout.journal, now, event, subject, **details)

    def close(self) -> None:
        """Write what may be written late."""
        self._stamps.save()
