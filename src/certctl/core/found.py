"""A TLS server that was found on this host, and how it would use a bundle."""

from typing import NamedTuple


class Found(NamedTuple):
    """One installed and configured server."""

    hook: str
    """Name of the shipped hook that reloads it."""
    title: str
    """Its name for people."""
    config: str
    """Its main configuration file."""
    program: str
    directory: str
    """Where its bundle goes; may not exist yet."""
    mode: int = 0o600
    """Of the bundle."""
    group: str | None = None
    """Of the bundle; None: nothing special."""
    probes: tuple[str, ...] = ()
    """Where it would serve the certificate."""
    usage: tuple[str, ...] = ()
    """What makes it use the bundle, to be typed or configured, line by line, with "{bundle}" for its path."""
