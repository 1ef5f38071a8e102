"""What certctl.toml asks for, as frozen values: defaults filled in, paths absolute, durations in seconds."""

from collections.abc import Mapping
from typing import NamedTuple

ISSUER_TYPES = ("self-signed", "private-ca", "acme", "command", "csr")
ANNOUNCER_TYPES = ("feed", "policy", "tlsa", "dns", "command")
CHALLENGES = ("http-01", "dns-01", "tls-alpn-01")
PARTS = ("key", "cert", "chain", "root")
PROBE_SCHEMES = ("smtp", "smtps", "imap", "imaps", "pop3", "pop3s", "lmtp", "https", "tls")

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


class PrivateCaOptions(NamedTuple):
    """A private CA: a root, and an intermediate below it that signs the leaves."""

    key: str = "ecdsa-p256"
    common_name: str = ""
    """Prefix of the subjects; empty: "certctl NAME of HOST"."""
    root_validity: float = 7300 * DAY
    intermediate_validity: float = 1825 * DAY
    path_length: int = 0
    """pathLenConstraint of the intermediate; the root's is one more (RFC 5280 §4.2.1.9)."""
    permitted_names: tuple[str, ...] = ()
    """Name constraints: DNS suffixes and IP networks (RFC 5280 §4.2.1.10)."""
    excluded_names: tuple[str, ...] = ()


class CommandOptions(NamedTuple):
    """A program that signs: CSR (PEM) on standard input, chain (PEM) on standard output."""

    command: tuple[str, ...]
    timeout: float = 60.0


class AcmeOptions(NamedTuple):
    """A CA that speaks RFC 8555."""

    directory: str
    email: tuple[str, ...] = ()
    agree_tos: bool = False
    challenge: str = "http-01"
    listen: tuple[str, ...] = ()
    """Addresses "HOST:PORT" of the standalone responder; empty: all addresses, the challenge's own port."""
    webroot: str = ""
    dns: str = ""
    """"rfc2136", "command" or a provider of dns-lexicon."""
    dns_options: Mapping[str, object] = {}
    """The table named after *dns* inside the issuer's table."""
    profile: str = ""
    preferred_chain: str = ""
    ca_file: str = ""
    eab_kid: str = ""
    eab_hmac_key_file: str = ""
    eab_algorithm: str = "HS256"
    ari: bool = True
    max_orders: int = 20
    """Orders under way at once."""
    timeout: float = 30.0
    """Seconds for one HTTP request."""
    validation_timeout: float = 300.0
    """Seconds for the CA to validate and issue one order."""


class IssuerSpec(NamedTuple):
    """One ``[issuer.NAME]``. Exactly the options of its type are set."""

    name: str
    type: str
    private_ca: PrivateCaOptions | None = None
    command: CommandOptions | None = None
    acme: AcmeOptions | None = None


class FileSpec(NamedTuple):
    """One ``[[certificate.NAME.file]]``: where a bundle goes and who may read it."""

    path: str
    parts: tuple[str, ...] = ("key", "cert", "chain")
    algorithm: str | None = None
    """Only this algorithm's parts; None: every algorithm in turn."""
    mode: int = 0o600
    owner: str | None = None
    """User name or number; None: whoever runs certctl."""
    group: str | None = None
    hooks: tuple[str, ...] = ()


class CertificateSpec(NamedTuple):
    """One ``[certificate.NAME]``."""

    name: str
    names: tuple[str, ...]
    """DNS names in lower case A-label form, and IP addresses in their canonical text, in the order given."""
    issuers: tuple[str, ...] = ("self-signed",)
    keys: tuple[str, ...] = ("ecdsa-p256",)
    validity: float = 90 * DAY
    renew_before: float | None = None
    """Seconds before the end; None: auto."""
    rotate_every: float | None = 365 * DAY
    """None: never."""
    pin: str = "key"
    hold_down: float = 0.0
    announce: tuple[str, ...] = ()
    require_ack: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()
    on_failed_probe: str = "rollback"
    files: tuple[FileSpec, ...] = ()
    hooks: tuple[str, ...] = ()
    """Hooks that run when live/NAME changes."""
    nexthops: tuple[str, ...] = ()
    """Next-hops for policy lines; empty: one "[name]" for each DNS name."""


class DhparamSpec(NamedTuple):
    """One ``[dhparam.NAME]``."""

    name: str
    path: str
    bits: int = 2048
    source: str = "generate"
    rotate_every: float | None = 365 * DAY
    mode: int = 0o644
    owner: str | None = None
    group: str | None = None
    hooks: tuple[str, ...] = ()


class WatchSpec(NamedTuple):
    """One ``[watch.NAME]``: files that others write."""

    name: str
    paths: tuple[str, ...]
    hooks: tuple[str, ...]


class HookSpec(NamedTuple):
    """One ``[hook.NAME]``; an empty *command* means: look the name up (hooks_dir, then the shipped ones)."""

    name: str
    command: tuple[str, ...] = ()
    timeout: float = 30.0


class AnnouncerSpec(NamedTuple):
    """One ``[announce.NAME]``; fields that its type does not know stay at their defaults."""

    name: str
    type: str
    path: str = ""
    mode: int = 0o644
    owner: str | None = None
    group: str | None = None
    check: str = ""
    """URL at which the announcement must be readable before the clock starts."""
    nexthops: tuple[str, ...] = ()
    validity: float = 30 * DAY
    """feed: seconds until a copy of it expires."""
    hooks: tuple[str, ...] = ()
    ports: tuple[int, ...] = (25,)
    ttl: int = 3600
    server: str = ""
    zone: str = ""
    tsig_key_file: str = ""
    command: tuple[str, ...] = ()
    timeout: float = 60.0


class PeerSpec(NamedTuple):
    """One ``[peer.NAME]``: a host whose pins this one follows."""

    name: str
    feed: str
    key: str
    nexthops: tuple[str, ...]
    map: str
    hooks: tuple[str, ...] = ()


class Spec(NamedTuple):
    """A whole certctl.toml."""

    path: str
    """The file it came from, absolute."""
    state_dir: str = "/var/lib/certctl"
    hooks_dir: str = "/etc/certctl/hooks"
    network_timeout: float = 5 * MINUTE
    """Seconds that one pass gives to all whom it asks outside of this host."""
    issuers: Mapping[str, IssuerSpec] = {}
    """Holds "self-signed" and "private-ca" even where the file has no table for them."""
    certificates: Mapping[str, CertificateSpec] = {}
    dhparams: Mapping[str, DhparamSpec] = {}
    watches: Mapping[str, WatchSpec] = {}
    hooks: Mapping[str, HookSpec] = {}
    """Every hook that is named anywhere, with its table's values or the defaults."""
    announcers: Mapping[str, AnnouncerSpec] = {}
    peers: Mapping[str, PeerSpec] = {}
