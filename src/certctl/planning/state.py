"""What certctl remembers of one certificate: generations and their slots, what was asked for, failures."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

SLOTS = ("current", "next", "previous")


class CertificateRecord(NamedTuple):
    """What was read off a certificate when it was kept. Digests are of the DER, "AA:BB:…"."""

    sha256: str
    sha1: str
    md5: str
    serial: str
    not_before: datetime
    not_after: datetime


class KeyRecord(NamedTuple):
    """One key of a generation. Digests are of the SubjectPublicKeyInfo's DER (RFC 7469 §2.4, TLSA 3 1 1)."""

    algorithm: str
    sha256: str
    sha1: str
    md5: str
    certificate: CertificateRecord | None = None


class Observation(NamedTuple):
    """That an announcer showed a generation's pins."""

    at: datetime
    wait: float = 0.0
    """Seconds for which caches may hold the old answer (DNS: twice the TTL); no hold is shorter."""
    place: str = ""
    """Where the announcer showed them (`pins.place`); "": not known, as of before that was kept."""


class Advice(NamedTuple):
    """When the CA would like a renewal (RFC 9773); one moment was chosen in its window and is kept."""

    renew_at: datetime
    window_start: datetime
    window_end: datetime
    check_at: datetime
    explanation_url: str | None = None


class Issuance(NamedTuple):
    """One set of certificates of a generation, one for each of its keys in their order."""

    number: int
    issued_at: datetime | None
    issued_by: str | None
    names: tuple[str, ...]
    certificates: tuple[CertificateRecord, ...]


class Generation(NamedTuple):
    """One key for each algorithm, and the certificates that were issued for them last."""

    number: int
    made_at: datetime
    keys: tuple[KeyRecord, ...]
    promoted_at: datetime | None = None
    rotates_from: datetime | None = None
    """Where the clock of rotate_every stands: when its keys were first served, or last came back."""
    issuance: int = 0
    """Counts the sets of certificates of this generation; 0: none yet."""
    issued_at: datetime | None = None
    issued_by: str | None = None
    names: tuple[str, ...] = ()
    """What was asked for in the last issuance."""
    seen: Mapping[str, Observation] = {}
    """By announcer."""
    acks: Mapping[str, datetime] = {}
    """By peer."""
    advice: Advice | None = None
    ask_advice_at: datetime | None = None
    """When a CA that gave no advice is asked again; None: at once."""
    before: Issuance | None = None
    """What was issued before, for the case that the last renewal turns out bad."""
    highest: int = 0
    """The highest number that an issuance ever had here."""
    compromised: bool = False
    """Its keys may be compromised: announced no longer than it is served, and never served again."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        return tuple(key.algorithm for key in self.keys)

    @property
    def not_after(self) -> datetime | None:
        """The first end among its certificates; None before it is issued."""
        ends = [key.certificate.not_after for key in self.keys if key.certificate]
        return min(ends) if len(ends) == len(self.keys) else None

    @property
    def not_before(self) -> datetime | None:
        starts = [key.certificate.not_before for key in self.keys if key.certificate]
        return max(starts) if len(starts) == len(self.keys) else None

    def valid_at(self, moment: datetime) -> bool:
        """Whether every key has a certificate that is valid then."""
        start, end = self.not_before, self.not_after
        return start is not None and end is not None and start <= moment < end


class Request(NamedTuple):
    """What an issuance was asked for with."""

    names: tuple[str, ...]
    issuer: str
    issued_at: datetime


class Failure(NamedTuple):
    """A step that failed last time. It goes when the step succeeds or is no longer wanted."""

    kind: str
    """The step's kind."""
    subject: str
    """What failed in particular: an issuer, a path, an announcer."""
    message: str
    hint: str | None
    at: datetime
    attempts: int = 1
    retry_at: datetime | None = None
    """Not tried before; None: tried in the next pass."""
    basis: str = ""
    """What it was tried with; a change of it means: try now."""


class Wait(NamedTuple):
    """Issuing waits for somebody outside: a certificate request that a person carries, an older certificate
    that was asked back."""

    reason: str
    basis: str
    until: datetime | None = None
    """When it goes on without them; None: never."""


class CertificateState(NamedTuple):
    """Everything that cannot be observed about a lineage."""

    name: str
    current: Generation | None = None
    next: Generation | None = None
    previous: Generation | None = None
    retired: tuple[int, ...] = ()
    """Generations whose directories are to be removed."""
    aside: Mapping[int, datetime] = {}
    """Those of them that others may pin, and since when: they stay for a hold-down."""
    last_number: int = 0
    rotation: str = ""
    """"" | "wanted" | "forced"."""
    renewal_wanted: bool = False
    rollback_wanted: bool = False
    held: str | None = None
    """Why rotations wait for a person (a failed probe, a rollback)."""
    failures: tuple[Failure, ...] = ()
    waiting: Wait | None = None
    unproved: str = ""
    """What was changed and has not been seen served: "" | "promotion" | "renewal" | "rollback"."""

    @property
    def forced(self) -> bool:
        """Whether next is to be served whatever its hold: a person said so, or the current key is stolen."""
        return self.rotation == "forced" or (self.current is not None and self.current.compromised)

    def slot(self, name: str) -> Generation | None:
        if name == "current":
            return self.current
        if name == "next":
            return self.next
        return self.previous

    def failure(self, kind: str, subject: str | None = None) -> Failure | None:
        for failure in self.failures:
            if failure.kind == kind and subject in (None, failure.subject):
                return failure
        return None


class DhparamState(NamedTuple):
    """What is remembered of one DH parameter file."""

    name: str
    sha256: str = ""
    bits: int = 0
    source: str = ""
    made_at: datetime | None = None
    failures: tuple[Failure, ...] = ()


class HookState(NamedTuple):
    """What a hook last ran for, and how that went."""

    name: str
    delivered: Mapping[str, str] = {}
    """Path -> digest of the content that the last successful run was for."""
    last_run: datetime | None = None
    exit_status: int | None = None
    output: str = ""
    attempts: int = 0
    """Failed runs in a row."""
    retry_at: datetime | None = None
    basis: str = ""
