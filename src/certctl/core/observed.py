"""What was seen before planning: the recorded state, and the files as they are."""

from collections.abc import Mapping
from typing import NamedTuple

from certctl.core.model import CertificateState, DhparamState, HookState


class FileSeen(NamedTuple):
    """One file that should hold the current generation."""

    path: str
    problem: str | None = None
    """None: content, mode and owner are as configured. Else what is wrong, for the reason of a step."""
    hooks: tuple[str, ...] = ()
    digest: str | None = None
    """What is there now, as hooks are told of it; None: nothing."""


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
    """Why the state could not be read; nothing is planned then."""
    recovered: str | None = None
    """Why the state was put together again from what is on disk."""


class DhparamSeen(NamedTuple):
    """One DH parameter file."""

    state: DhparamState
    kept: bool
    """Whether the state directory holds parameters that fit the configuration."""
    file: FileSeen


class HookSeen(NamedTuple):
    """One hook: what it serves, as digests of what is on disk now."""

    state: HookState
    files: Mapping[str, str] = {}
    """Path -> digest; files that are not there have none, watched files that are gone have ""."""
    basis: str = ""
    """Identity of the program that would run now."""


class AnnouncerSeen(NamedTuple):
    """One announcer: what it shows, by certificate."""

    wanted: Mapping[str, str] = {}
    """Certificate -> digest of what should be shown."""
    shown: Mapping[str, str] = {}
    problem: str | None = None
    """What is wrong with what it shows (a file that is gone, say)."""
    files: tuple[FileSeen, ...] = ()
    """What it shows in files, for the hooks that follow them."""


class World(NamedTuple):
    """Everything that a pass looks at."""

    certificates: dict[str, CertificateSeen]
    dhparams: dict[str, DhparamSeen]
    hooks: dict[str, HookSeen]
    announcers: dict[str, AnnouncerSeen]
