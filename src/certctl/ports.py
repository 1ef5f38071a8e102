"""What the engine speaks to: the Protocols that adapters (and the tests' in-memory ones) fulfil."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from certctl.core.spec import IssuerSpec


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
    """An existing directory (0700) of this generation, for what the issuer must not forget across a crash."""
    replaces: bytes | None = None
    """The leaf (PEM) that this one takes the place of, if there is one."""


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


class RenewalInfo(NamedTuple):
    """When the CA would like a certificate renewed (RFC 9773)."""

    renew_at: datetime
    """The one moment chosen inside the window; kept, not drawn again while the window stays."""
    window_start: datetime
    window_end: datetime
    check_at: datetime
    """When the CA wants to be asked again (Retry-After)."""
    explanation_url: str | None = None


class RenewalAdviser(Protocol):
    """An issuer that knows when to renew."""

    def renewal_info(
        self, leaf_pem: bytes, known: RenewalInfo | None, now: datetime
    ) -> RenewalInfo | None: ...


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
