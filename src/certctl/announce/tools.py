"""What announcers get from outside: the means to read a URL and to run a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from certctl.errors import CertctlError
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced
from certctl.planning.spec import AnnouncerSpec
from certctl.planning.state import Observation


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    """As a shell counts: 128 + N if signal N ended it."""
    output: str
    """The end of what it wrote."""


class Tools(NamedTuple):
    """Injected, since adapters do not import each other."""

    fetch: Callable[[str], bytes]
    """The body of a URL. Raises CertctlError."""
    run: Callable[[Sequence[str], bytes, float], Ended]
    """Runs a program with these bytes on standard input, for so many seconds at most. Raises CertctlError."""
    served: Callable[[str, str, int], frozenset[str]]
    """The keys that a host serves, given its name, one address and a port: SHA-256 in lower-case hex.

    None where nobody answers.
    """


class Asked(NamedTuple):
    """One server that was asked what it shows."""

    name: str
    address: str
    serial: int | None
    """Of its zone; None: it has none, or did not say."""
    problem: str | None = None
    """What of it keeps pins from being seen; None: it shows all of them."""

    def __str__(self) -> str:
        return f"{self.name} ({self.address}) serial {'unknown' if self.serial is None else self.serial}"


class Shown(NamedTuple):
    """What came of showing pins."""

    observations: Mapping[str, Observation]
    """By certificate: seen wherever it must be seen."""
    unseen: Mapping[str, str] = {}
    """By certificate: why it is not."""
    asked: tuple[Asked, ...] = ()
    """The servers that say so, where there are several that must."""
    problem: CertctlError | None = None
    """Why something that should be shown no more still is."""
    put_back: frozenset[str] = frozenset()
    """Pins, SHA-256, that had been shown and were gone: whoever looked meanwhile does not know them."""


class Kind(Protocol):
    """One type of announcer. It may forget failures: these are remembered around it."""

    spec: AnnouncerSpec

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What is shown now, beside what should be. No network, and nothing is changed."""

    def show(self, wanted: Mapping[str, Announced], now: datetime) -> Shown:
        """Show exactly *wanted*, and look whether it can be seen. Raises CertctlError."""
