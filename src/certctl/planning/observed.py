"""What was seen before planning: the recorded state, and the files as they are."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from certctl.planning.clock import ClockSeen
from certctl.planning.state import CertificateState, DhparamState, Failure, HookState


class FileSeen(NamedTuple):
    """One file that should hold the current generation."""

    path: str
    problem: str | None = None
    """None: content, mode and owner are as configured. Else what is wrong, for the reason of a step."""
    hooks: tuple[str, ...] = ()
    digest: str | None = None
    """What is there now, as hooks are told of it; None: nothing."""
    conflict: str | None = None
    """Why it must not be replaced: it holds a key, or a certificate, that the state does not have."""
    is_strange: bool = False
    """Whether what conflicts is such a certificate: there is no key that could be taken over."""
    is_live: bool = False
    """It is live/NAME, which stands for every file of a generation."""


class CertificateSeen(NamedTuple):
    """One lineage: its state and what is on disk."""

    state: CertificateState
    files: tuple[FileSeen, ...] = ()
    """live/NAME first, then the configured files in their order."""
    lost: frozenset[str] = frozenset()
    """Slots whose key is not on disk any more."""
    damaged: frozenset[str] = frozenset()
    """Slots whose key is there, but whose certificates are not."""
    unreadable: str | None = None
    """Why its state, keys or files could not be read; nothing is planned then."""
    recovered: str | None = None
    """Why the state was put together again from what is on disk."""
    amended: bool = False
    """Whether observations that count no more were taken out of *state*, which is not kept yet."""
    served_next: str | None = None
    """A file that holds the next keys already: the state is older than what is served."""

    @property
    def conflicts(self) -> tuple[FileSeen, ...]:
        """Files that hold what the state does not have: a person decides what becomes of it."""
        return tuple(file for file in self.files if file.conflict is not None)


class DhparamSeen(NamedTuple):
    """One DH parameter file."""

    state: DhparamState
    kept: bool
    """Whether the state directory holds parameters that fit the configuration."""
    file: FileSeen
    unreadable: str | None = None
    """Why they, or what is known of them, could not be read; nothing is planned then."""


class HookSeen(NamedTuple):
    """One hook: what it serves, as digests of what is on disk now."""

    state: HookState
    files: Mapping[str, str] = {}
    """Path -> digest; files that are not there have none, watched files that are gone have ""."""
    basis: str = ""
    """Identity of the program that would run now."""
    problem: str | None = None
    """Why nothing would run: no hook of that name, or one that is not safe to run."""
    unreadable: str | None = None
    """Why files that it watches could not be read; they count as unchanged."""


class AnnouncerSeen(NamedTuple):
    """One announcer: what it shows, by certificate."""

    wanted: Mapping[str, str] = {}
    """Certificate -> digest of what should be shown."""
    shown: Mapping[str, str] = {}
    problem: str | None = None
    """What is wrong with what it shows (a file that is gone, say)."""
    files: tuple[FileSeen, ...] = ()
    """What it shows in files, for the hooks that follow them."""
    fewer: frozenset[str] = frozenset()
    """Certificates of which all that is wanted is shown, and more that is to be taken away."""
    absent: frozenset[str] = frozenset()
    """Pins that should be shown, SHA-256, where others are: whoever looks now does not learn of them."""
    unseen: Mapping[str, str] = {}
    """Certificate -> why what is shown of it cannot be seen everywhere yet."""
    ask_at: datetime | None = None
    """When that is looked at again; None: at once."""
    due_at: datetime | None = None
    """When all is to be shown anew, though nothing changed."""
    due_reason: str = ""
    ahead_until: datetime | None = None
    """Before this moment what is shown is from the future, made while the clock was ahead: shown anew."""
    failure: Failure | None = None
    """How it failed last; tried again at its retry_at, at once without one."""


class PeerSeen(NamedTuple):
    """One peer whose pins are followed."""

    accepted_at: datetime | None = None
    """When its feed said something new that was believed; None: never yet."""
    expires_at: datetime | None = None
    """The end of what it said last."""
    fetch_at: datetime | None = None
    """When its feed is looked at again, passes for other reasons apart."""
    failure: Failure | None = None
    """Why its feed was not to be had, or not believed, last time."""


class World(NamedTuple):
    """Everything that a pass looks at."""

    certificates: dict[str, CertificateSeen]
    dhparams: dict[str, DhparamSeen]
    hooks: dict[str, HookSeen]
    announcers: dict[str, AnnouncerSeen]
    peers: dict[str, PeerSeen]
    maps: dict[str, FileSeen]
    """Policy maps that peers' pins go into, by path."""
    clock: ClockSeen = ClockSeen()
    """Whether the time is believed."""

    def copy(self) -> "World":
        """Another world like this one, to be changed."""
        return World(
            dict(self.certificates),
            dict(self.dhparams),
            dict(self.hooks),
            dict(self.announcers),
            dict(self.peers),
            dict(self.maps),
            self.clock,
        )
