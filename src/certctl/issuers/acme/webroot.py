"""http-01 by files that a web server of the host's own serves (RFC 8555 §8.3)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from certctl.errors import IssuerError
from certctl.issuers.acme.http01 import PREFIX
from certctl.issuers.acme.leftovers import Item, Leftovers
from certctl.issuers.acme.proof import Proof
from certctl.issuers.acme.shared import Holders
from certctl.store import atomic

KIND = "webroot"


class Webroot:
    """Puts tokens below *webroot*, readable by the web server, and takes them away again."""

    def __init__(self, webroot: str, leftovers: Leftovers) -> None:
        self._webroot = webroot
        self._directory = os.path.join(webroot, PREFIX.strip("/"))
        self._leftovers = leftovers
        self._holders = Holders()

    @contextlib.contextmanager
    def present(self, proofs: Sequence[Proof]) -> Iterator[None]:
        items = [(os.path.join(self._directory, proof.token),) for proof in proofs]
        if not os.path.isdir(self._webroot):
            raise IssuerError(
                f"the webroot {self._webroot} is no directory",
                "set webroot to the directory that the web server serves at /",
                transient=False,
            )
        atomic.make_directory(self._directory, 0o755)
        note = self._leftovers.note(KIND, items)
        for item in items:
            self._holders.hold(item[0])
        try:
            for item, proof in zip(items, proofs, strict=True):
                # Nobody asks for it after a power cut, and the note, which is durable, takes it away.
                atomic.replace_cache(item[0], proof.key_authorization.encode(), 0o644)
            yield
        finally:
            self._leftovers.clear(note, items, self._release)

    def _release(self, item: Item) -> None:
        if self._holders.release(item[0]):
            remove(item)


def remove(item: Item) -> None:
    """Take away one token's file, and what a crash in the middle of writing it has left."""
    directory, name = os.path.split(item[0])
    for path in (item[0], os.path.join(directory, f".{name}{atomic.TEMPORARY}")):
        atomic.remove(path)
