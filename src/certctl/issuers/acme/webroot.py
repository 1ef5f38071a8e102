"""http-01 by files that a web server of the host's own serves (RFC 8555 §8.3)."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence

from certctl.errors import CertctlError, IssuerError
from certctl.issuers import tokenfiles
from certctl.issuers.acme.http01 import PREFIX
from certctl.issuers.acme.leftovers import Item, Leftovers
from certctl.issuers.acme.proof import Proof
from certctl.issuers.acme.shared import Holders
from certctl.system.child import as_user
from certctl.system.directories import owner_of

KIND = "webroot"
_INNER = PREFIX.strip("/")
_log = logging.getLogger("certctl.acme")


class Webroot:
    """Puts tokens below *webroot*, readable by the web server, and takes them away again.

    Below it no symlink is followed, and root acts as the owner of the directory.
    """

    def __init__(self, webroot: str, leftovers: Leftovers) -> None:
        self._webroot = os.path.normpath(webroot)
        self._directory = os.path.join(self._webroot, _INNER)
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
        note = self._leftovers.note(KIND, items)
        for item in items:
            self._holders.hold(item[0])
        try:
            texts = {proof.token: proof.key_authorization for proof in proofs}
            as_user(owner_of(self._directory, self._webroot), tokenfiles.put_up, self._webroot, _INNER, texts)
            yield
        finally:
            free = {item[0] for item in items if self._holders.release(item[0])}
            _remove(self._webroot, sorted(map(os.path.basename, free)))
            self._leftovers.clear(note, [item for item in items if item[0] in free], remove)


def remove(item: Item) -> None:
    """Take away one token's file, and what a crash in the middle of writing it has left, if it is there."""
    directory, name = os.path.split(item[0])
    webroot = os.path.normpath(directory.removesuffix(_INNER))
    if any(map(os.path.lexists, tokenfiles.files(webroot, _INNER, name))):
        as_user(owner_of(directory, webroot), tokenfiles.take_down, webroot, _INNER, [name])


def _remove(webroot: str, names: Sequence[str]) -> None:
    """Take away all files of an order in one go; what is still there is taken away one by one, and told."""
    try:
        owner = owner_of(os.path.join(webroot, _INNER), webroot)
        as_user(owner, tokenfiles.take_down, webroot, _INNER, names)
    except CertctlError as error:
        _log.debug("%s", error)
