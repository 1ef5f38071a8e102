"""What a server serves and where: as much of its configuration as a certctl.toml has to fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_DIRECT = {443: "https", 465: "smtps", 993: "imaps", 995: "pop3s"}


class Hook(NamedTuple):
    """What tells a server of new files."""

    name: str
    command: tuple[str, ...] = ()
    """A ready-made hook with arguments; empty: that one as it is."""


class Use(NamedTuple):
    """One place of a configuration at which a certificate is named, or missing."""

    subject: str
    """For people: "Postfix (/etc/postfix)"."""
    files: tuple[str, ...] = ()
    """What is read for it, keys too, in order; empty: nothing is named."""
    names: tuple[str, ...] = ()
    """What it is asked for by, as it is written there; empty: the configuration does not say."""
    probes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """What makes it use another bundle: commands, or comments for a file; "{bundle}" is the path."""
    switch_on: tuple[str, ...] = ()
    """What else makes it speak TLS, whichever files it reads; empty: it does."""
    hooks: tuple[Hook, ...] = ()
    """Besides the server's own."""
    of_host: bool = False
    """Whether *names* are the host's own, not those of one tenant among others."""
    optional: bool = False
    """Whether it may go without: nothing is served there, as in a client."""


class Setup(NamedTuple):
    """One server."""

    kind: str
    title: str
    config: str
    """Its directory or main file."""
    hook: Hook
    directory: str
    """Where a bundle for it goes; may not exist yet."""
    reload: str
    uses: tuple[Use, ...] = ()
    dh: tuple[str, ...] = ()
    """Files with Diffie-Hellman parameters that it reads."""
    mode: int = 0o600
    """Of a new bundle."""
    group: str | None = None
    """Of a new bundle; None: nothing special."""
    digests: tuple[str, ...] = ()
    """Under which it knows the keys and certificates of others."""

    @property
    def subject(self) -> str:
        return f"{self.title} ({self.config})"


def url(scheme: str, host: str, port: int) -> str:
    """Write a URL to probe; *host* without brackets, a wildcard address stands for loopback."""
    host = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def direct_scheme(port: int) -> str:
    """What is spoken inside TLS at *port*, by its number alone."""
    return _DIRECT.get(port, "tls")


def endpoint(text: str) -> tuple[str, str] | None:
    """Take PORT, HOST:PORT or [HOST]:PORT apart, into a host (maybe empty) and a port; None for sockets."""
    if text.startswith(("unix:", "/", "fd@", "abns@")):
        return None
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*)|([0-9a-fA-F:]*)):([A-Za-z0-9-]+)", text)
    if match:
        return next((part for part in match.groups()[:3] if part), ""), match[4]
    return ("", text) if re.fullmatch(r"[A-Za-z0-9-]+", text) else None


def unique(words: Iterable[str]) -> tuple[str, ...]:
    """Each word once, in the order of the first."""
    return tuple(dict.fromkeys(words))
