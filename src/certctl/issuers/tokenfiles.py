"""The files of http-01 tokens in a webroot: what `system.child` lets their owner do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from certctl.store import atomic


def put_up(webroot: str, inner: str, texts: Mapping[str, str]) -> None:
    """Write each text, readable by the web server, to the file of that name in *inner* below *webroot*.

    Below it no symlink is followed. Raises StoreError.
    """
    directory = os.path.join(webroot, inner)
    atomic.make_directory(directory, 0o755, webroot)
    for name, text in texts.items():
        # Nobody asks for it after a power cut, and the note, which is durable, takes it away.
        atomic.replace_cache(os.path.join(directory, name), text.encode(), 0o644, webroot)


def take_down(webroot: str, inner: str, names: Iterable[str]) -> None:
    """Remove the files again, and what a crash in the middle of writing them has left. Raises StoreError."""
    for name in names:
        for path in files(webroot, inner, name):
            atomic.remove(path, webroot)


def files(webroot: str, inner: str, name: str) -> tuple[str, str]:
    """The file of a token, and the one that it is written to first."""
    directory = os.path.join(webroot, inner)
    return os.path.join(directory, name), os.path.join(directory, f".{name}{atomic.TEMPORARY}")
