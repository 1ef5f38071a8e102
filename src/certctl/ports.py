"""What the engine speaks to: the Protocols that adapters (and the tests' in-memory ones) fulfil."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from certctl.errors import CertctlError
from certctl.planning.clock import Marks
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, DhparamSeen, FileSeen, PeerSeen
from certctl.planning.pins import Announced
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, DhparamSpec, IssuerSpec
from certctl.planning.state import (
    Advice,
    CertificateState,
    DhparamState,
    Generation,
    HookState,
    KeyRecord,
    Observation,
    Request,
)
from certctl.x509.bundle import Change, Material, Prepared

Hold = Callable[[], AbstractContextManager[None]]


class IssueRequest(NamedTuple):
    """One certificate for one key."""

    certificate: str
    """Name of the lineage."""
    generation: int
    algorithm: str
    names: tuple[str, ...]
    """A-label DNS names and IP addresses, the common name's candidate first."""
    key_pem: bytes
    """PKCS #8, not encrypted."""
    validity: float
    """Seconds; for issuers that honour it."""
    now: datetime
    work_dir: str
    """A directory of this generation for what the issuer must not forget across a crash.

    It need not exist: `atomic.make_directory` makes it where there is something to keep."""
    replaces: bytes | None = None
    """The leaf (PEM) that this one takes the place of, if there is one."""
    sure: datetime | None = None
    """Where *now* is not believed: the last moment that was. What is made here is valid from then on."""


class Issued(NamedTuple):
    """What an issuer gave: not yet trusted, the engine checks it before it is kept."""

    chain: tuple[bytes, ...]
    """PEM certificates, the leaf first, each followed by its issuer; no root."""
    root: bytes | None = None
    """PEM of the trust anchor, where the issuer knows it."""


class Waiting(NamedTuple):
    """An issuer cannot answer before somebody outside does something."""

    reason: str
    """What is waited for, and what to type then."""


class Issuer(Protocol):
    """Turns keys into certificates.

    `issue` may block on the network; it is called from several threads at once, so
    whatever it shares is guarded. It raises `CertctlError`; a wish of the other
    side (Retry-After) travels in the error's *retry_after*.
    """

    spec: IssuerSpec

    def issue(self, request: IssueRequest) -> Issued | Waiting: ...

    def finish(self, request: IssueRequest) -> None:
        """Called once what was issued is durable: the work directory's notes may go."""


class RenewalAdviser(Protocol):
    """An issuer that knows when to renew."""

    def renewal_info(self, leaf_pem: bytes, known: Advice | None, now: datetime) -> Advice | None:
        """The CA's wish; the moment of *known* is kept while its window stays. None: it has none."""


class Revoker(Protocol):
    """An issuer that can revoke."""

    def revoke(self, leaf_pem: bytes, key_pem: bytes | None, reason: str) -> None: ...


class HookOutcome(NamedTuple):
    """How a hook ended."""

    exit_status: int
    output: str
    timed_out: bool
    seconds: float


HookRunner = Callable[[Sequence[str], Mapping[str, str], float], HookOutcome]


class Announcer(Protocol):
    """Shows pins to others."""

    spec: AnnouncerSpec

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What it shows now, beside what it should show. No network, and nothing is changed."""

    def publish(self, wanted: Mapping[str, Announced], now: datetime) -> Mapping[str, Observation]:
        """Show exactly *wanted*; by certificate, which of them have been seen where they must be seen.

        A certificate that is missing from the answer is shown, but not seen yet: it
        is asked about again at the `ask_at` of what is observed then. Raises
        CertctlError, having kept when to try again. Where only something could not be
        taken back, it returns, and what is observed then has a failure.
        """

    def put_back(self) -> frozenset[str]:
        """Pins, SHA-256, that had been shown and were gone when it published last: they are shown anew."""

    def witnesses(self) -> Sequence[str]:
        """Who was asked last whether the pins can be seen, and what they had: words for the journal."""


class Following(Protocol):
    """Follows the pins that peers tell in their feeds into policy maps."""

    def observe(self) -> tuple[Mapping[str, PeerSeen], Mapping[str, FileSeen]]:
        """What was believed of each peer, by name, and what is wrong with the maps, by path. No network."""

    def ask(self, now: datetime) -> Mapping[str, Any]:
        """Fetch and check the feeds, but for peers whose back-off is not over; by peer, what came of it.

        Nothing is written, and nobody's failure is raised.
        """

    def keep(self, asked: Mapping[str, Any], now: datetime) -> Mapping[str, CertctlError | None]:
        """Keep what is believed of those that were *asked*; by peer, what went wrong.

        What another process has come to believe meanwhile is not overwritten.
        """

    def forget(self) -> None:
        """Others may have changed what is believed: it is read again when it is needed."""

    def prepare(self, path: str) -> Prepared:
        """The map at *path* with the pins that are believed. Raises CertctlError."""


class Clocks(Protocol):
    """The kernel's clocks (`system.clocks`)."""

    def boot(self) -> str: ...

    def uptime(self) -> float: ...

    def synchronized(self) -> bool: ...


class Store(Protocol):
    """What the engine observes and keeps.

    What a method keeps is durable when it returns; a `Change` is so once it was committed.
    """

    def prepare(self) -> None: ...

    def reread(self) -> bool:
        """Whether others changed anything while the pass was outside; their hooks' states are known then."""

    def in_hand(self, names: Collection[str]) -> AbstractContextManager[frozenset[str]]:
        """Take in hand what of *names* no other process has; gives that. It is kept within the context."""

    def observe_certificate(self, cert: CertificateSpec, now: datetime) -> CertificateSeen: ...

    def repair_state(self, seen: CertificateSeen, now: datetime) -> str | None:
        """Keep a state that was put together again; returns where the damaged file went."""

    def commit(self, changes: Sequence[Change]) -> list[CertctlError | None]:
        """Make changes of different certificates durable together; what went wrong with each."""

    def new_state(self, state: CertificateState) -> Change: ...

    def save(self, state: CertificateState) -> None: ...

    def free_number(self, state: CertificateState, keys: Sequence[bytes] = ()) -> int: ...

    def unrecorded_keys(
        self, state: CertificateState, algorithms: Sequence[str]
    ) -> tuple[bytes, ...] | None: ...

    def new_keys(self, number: int, keys: Sequence[tuple[str, bytes]], state: CertificateState) -> Change: ...

    def read_key(self, name: str, generation: Generation, record: KeyRecord) -> bytes: ...

    def work_directory(self, name: str, generation: Generation) -> str: ...

    def new_issuance(
        self,
        generation: Generation,
        materials: Sequence[Material],
        request: Request,
        state: CertificateState,
    ) -> Change: ...

    def unrecorded_issuance(
        self, name: str, generation: Generation
    ) -> tuple[Request, tuple[list[bytes], ...]] | None: ...

    def read_materials(self, name: str, generation: Generation) -> tuple[Material, ...]: ...

    def removal(self, number: int, state: CertificateState) -> Change: ...

    def prepare_file(self, cert: CertificateSpec, current: Generation, path: str) -> Prepared: ...

    def observe_dhparam(self, spec: DhparamSpec) -> DhparamSeen: ...

    def keep_dhparam(self, state: DhparamState, data: bytes | None = None) -> None: ...

    def prepare_dhparam_file(self, spec: DhparamSpec) -> Prepared: ...

    def watched(self, path: str) -> str: ...

    def hook_states(self) -> Mapping[str, HookState]: ...

    def save_hooks(self, states: Collection[HookState]) -> None: ...

    def clock_marks(self) -> Marks | None:
        """What is remembered of the clock; None where there is no state yet. Raises CertctlError."""

    def keep_clock_marks(self, marks: Marks) -> None: ...

    def journal(self, now: datetime, event: str, subject: str, **details: Any) -> None: ...

    def close(self) -> None: ...
