"""What a certctl.toml says that fits the servers of a host, before it is text."""

from typing import NamedTuple


class FittedFile(NamedTuple):
    """One ``[[certificate.NAME.file]]``."""

    path: str
    parts: tuple[str, ...] = ("key", "cert", "chain")
    algorithm: str | None = None
    mode: int = 0o600
    owner: str | None = None
    group: str | None = None
    hooks: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    """The servers that read it, for people."""
    lines: tuple[tuple[str, str], ...] = ()
    """Reader and what to type so that it does; one without lines does already."""


class FittedCertificate(NamedTuple):
    """One ``[certificate.NAME]``."""

    name: str
    names: tuple[str, ...]
    issuer: str
    keys: tuple[str, ...]
    files: tuple[FittedFile, ...] = ()
    probes: tuple[str, ...] = ()
    """Where it will be served as soon as the files are there."""
    later: tuple[str, ...] = ()
    """Where it will be served once the lines have been typed."""
    notes: tuple[str, ...] = ()
    """Sentences for people."""
    pin: str = ""
    """What peers may have pinned of it already: key | certificate; empty: nothing, it is new."""
    taken_over: tuple[tuple[str, str], ...] = ()
    """Algorithm and pin of each key that is there already."""


class FittedDh(NamedTuple):
    """One ``[dhparam.NAME]``."""

    name: str
    path: str
    bits: int
    source: str
    hooks: tuple[str, ...]


class FittedHook(NamedTuple):
    """One ``[hook.NAME]``."""

    name: str
    command: tuple[str, ...]


class Skipped(NamedTuple):
    """What the configuration says nothing of, although it is there."""

    subject: str
    message: str
    hint: str | None = None


class Fit(NamedTuple):
    """A whole certctl.toml."""

    servers: tuple[str, ...]
    """For people: "Postfix (/etc/postfix)"."""
    certificates: tuple[FittedCertificate, ...] = ()
    dhparams: tuple[FittedDh, ...] = ()
    hooks: tuple[FittedHook, ...] = ()
    issuers: str = ""
    """Tables of issuers that the certificates need."""
    skipped: tuple[Skipped, ...] = ()
    lines: tuple[str, ...] = ()
    """All that is to be typed, in order, with the reloads."""
    digests: tuple[str, ...] = ()
    """Under which the servers here know each other's keys and certificates: md5, sha1, sha256."""
