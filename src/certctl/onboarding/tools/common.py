"""What a look at another tool's files gives: lineages with their keys, accounts, what could not be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from certctl.errors import CertctlError, UnreadableError
from certctl.planning.state import KeyRecord
from certctl.system import files
from certctl.x509.bundle import Material

MOST_BYTES = 4 * 1024 * 1024
"""A longer file is no key, certificate or setting."""

LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

ALGORITHMS = ("HS256", "HS384", "HS512")
"""Of external account bindings."""


class Pair(NamedTuple):
    """One key with the certificate that is served for it, checked."""

    record: KeyRecord
    material: Material
    names: tuple[str, ...]
    self_signed: bool = False

    @property
    def algorithm(self) -> str:
        return self.record.algorithm


class Binding(NamedTuple):
    """What binds an account to another one at the CA's shop (RFC 8555 §7.3.4). The key stays where it is."""

    kid: str
    key_at: str
    """Where a person finds the HMAC key, in words."""
    algorithm: str = "HS256"


class Renewal(NamedTuple):
    """How the other tool gets its certificates: what an issuer's table says."""

    directory: str = ""
    """URL of the ACME directory; empty where that is not known or there is none."""
    email: str = ""
    challenge: str = "http-01"
    webroot: str = ""
    listen: str = ""
    dns: str = ""
    """As in AcmeOptions."""
    dns_table: tuple[tuple[str, object], ...] = ()
    profile: str = ""
    preferred_chain: str = ""
    ca_file: str = ""
    binding: Binding | None = None
    todo: tuple[str, ...] = ()
    """What a person must see to before the next renewal, as sentences."""


class Output(NamedTuple):
    """A file that servers read the certificate from."""

    path: str
    parts: tuple[str, ...]


class Lineage(NamedTuple):
    """One certificate of the other tool."""

    name: str
    """As the tool calls it."""
    source: str
    pairs: tuple[Pair, ...]
    """One for each kind of key."""
    renewal: Renewal = Renewal()
    outputs: tuple[Output, ...] = ()
    hooks: tuple[str, ...] = ()
    """What the tool runs after a renewal, as it is written there."""
    standby: tuple[bytes, ...] = ()
    """Keys (PEM) that were made for the next certificate and may be pinned already."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.pairs[0].names


class Refused(NamedTuple):
    """Something that was not taken over, and why."""

    name: str
    source: str
    message: str
    hint: str | None = None


class Account(NamedTuple):
    """An ACME account."""

    directory: str
    key: bytes
    """PKCS #8 PEM."""
    url: str
    contact: tuple[str, ...]
    source: str


class Tree(NamedTuple):
    """All that one tool has."""

    tool: str
    path: str
    lineages: tuple[Lineage, ...] = ()
    refused: tuple[Refused, ...] = ()
    left: tuple[Refused, ...] = ()
    """What was passed over on purpose: nobody uses it any more."""
    accounts: tuple[Account, ...] = ()
    notes: tuple[str, ...] = ()
    switch_off: tuple[str, ...] = ()
    """Commands that keep the tool from renewing on."""


class Findings:
    """Collects what is found; what goes wrong with one lineage stays with that lineage."""

    def __init__(self) -> None:
        self.lineages: list[Lineage] = []
        self.refused: list[Refused] = []
        self.left: list[Refused] = []
        self.accounts: list[Account] = []
        self.notes: list[str] = []

    @contextmanager
    def guard(self, name: str, source: str) -> Iterator[None]:
        """Note a CertctlError as the refusal of *name*."""
        try:
            yield
        except CertctlError as error:
            self.refused.append(Refused(name, source, error.message, error.hint))

    def tree(self, tool: str, path: str, switch_off: tuple[str, ...]) -> Tree:
        return Tree(
            tool,
            path,
            tuple(self.lineages),
            tuple(self.refused),
            tuple(self.left),
            tuple(self.accounts),
            tuple(self.notes),
            switch_off,
        )


def read(path: str) -> bytes:
    """Return what a plain file (or a symlink to one) holds. Raises CertctlError, which names it."""
    try:
        data = files.read_file(path, most=MOST_BYTES, follow=True)
    except UnreadableError as error:
        raise _refused(error) from error
    if data is None:
        what = f"a symlink to nothing ({os.readlink(path)})" if os.path.islink(path) else "not there"
        raise CertctlError(f"{path} is {what}", transient=False)
    return data


def listed(directory: str) -> list[str]:
    """Return the names in *directory*, sorted; none where it is missing. Raises CertctlError."""
    try:
        return files.entries(directory)
    except UnreadableError as error:
        raise _refused(error) from error


def _refused(error: UnreadableError) -> CertctlError:
    hint = "run it as root" if error.errno in (errno.EACCES, errno.EPERM) else None
    return CertctlError(error.message, hint, transient=False)


def no_tree(tool: str, path: str, wanted: str) -> CertctlError:
    """The error for a *path* that is not what *tool* makes."""
    there = "there is nothing" if not os.path.exists(path) else f"it has no {wanted}"
    return CertctlError(
        f"{path} is no tree of {tool}: {there}", f"name it: certctl import {tool} PATH", transient=False
    )
