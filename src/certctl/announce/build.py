"""Makes the announcer that a configuration describes; each kind is imported only when it is used."""

from __future__ import annotations

import os

from certctl.announce.remembering import Remembering
from certctl.announce.tools import Kind, Tools
from certctl.errors import UsageError
from certctl.planning.spec import AnnouncerSpec


def home(state_dir: str, name: str) -> str:
    """Where an announcer keeps what it must not forget."""
    return os.path.join(state_dir, "announce", name)


def build(spec: AnnouncerSpec, state_dir: str, tools: Tools) -> Remembering:
    """Return the announcer of *spec*. Nothing is read or made yet, so this does not fail."""
    directory = home(state_dir, spec.name)
    return Remembering(_kind(spec, directory, tools), directory)


def _kind(spec: AnnouncerSpec, directory: str, tools: Tools) -> Kind:
    if spec.type in ("policy", "tlsa"):
        from certctl.announce.lines import POLICY, TLSA, LinesAnnouncer

        return LinesAnnouncer(spec, POLICY if spec.type == "policy" else TLSA, tools)
    if spec.type == "feed":
        from certctl.announce.feed import FeedAnnouncer

        return FeedAnnouncer(spec, tools, directory)
    if spec.type == "dns":
        from certctl.announce.zone import DnsAnnouncer

        return DnsAnnouncer(spec, tools, directory)
    if spec.type == "command":
        from certctl.announce.command import CommandAnnouncer

        return CommandAnnouncer(spec, tools, directory)
    raise UsageError(f"announcer {spec.name}: there is no type {spec.type!r}")
