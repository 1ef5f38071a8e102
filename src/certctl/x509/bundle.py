"""PEM bundles in the order that servers want: key, its certificate, the certificate's issuers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from certctl.errors import CertctlError


class Material(NamedTuple):
    """The PEM texts of one key of an issued generation."""

    algorithm: str
    key: bytes
    leaf: bytes
    chain: tuple[bytes, ...] = ()
    """Intermediates, each the issuer of the one before."""
    root: bytes | None = None


def _nothing() -> None:
    """For changes after which there is nothing to do."""


class Change(NamedTuple):
    """What is about to become durable: made by the store, for its `commit`."""

    batch: Any
    done: Callable[[], None] = _nothing
    """Called once it is in place."""


class Prepared(NamedTuple):
    """A file as it is about to be written, or live/NAME as it is about to be swapped."""

    path: str
    digest: str
    """As `FileSeen.digest` will be, once it is written."""
    change: Change


def render(parts: Sequence[str], materials: Sequence[Material], algorithm: str | None = None) -> bytes:
    """One PEM file: *parts* in their order, of every material in turn or of *algorithm* only.

    With key, cert and chain this is what Postfix's smtpd_tls_chain_files wants
    (postconf(5)): each key is followed by its own certificate and issuers. A root
    that is the certificate itself is not repeated after it; a file of roots alone
    has each once.
    """
    blocks: list[bytes] = []
    for material in materials:
        if algorithm is None or material.algorithm == algorithm:
            blocks.extend(_blocks(parts, material))
    if list(parts) == ["root"]:
        blocks = list(dict.fromkeys(blocks))
    return b"".join(block.rstrip(b"\n") + b"\n" for block in blocks)


def _blocks(parts: Sequence[str], material: Material) -> Iterator[bytes]:
    if "key" in parts:
        yield material.key
    if "cert" in parts:
        yield material.leaf
    if "chain" in parts:
        yield from material.chain
    if "root" in parts:
        if material.root is None:
            raise CertctlError(
                "the part root is asked for, but the issuer does not tell its root",
                "take root out of parts; a public CA's root is in the system's trust store",
                transient=False,
            )
        if "cert" not in parts or material.root != material.leaf:
            yield material.root


def issuance_files(
    layout: Iterable[tuple[str, tuple[str, ...], int]], materials: Sequence[Material]
) -> list[tuple[str, bytes, int]]:
    """The files of live/NAME: relative path, content, mode.

    At the top: bundle.pem of all algorithms in turn, the other files of the first
    algorithm. With several algorithms, a directory of each one's files besides.
    """
    files: list[tuple[str, bytes, int]] = []
    for name, parts, mode in layout:
        shown = materials if name == "bundle.pem" else materials[:1]
        if parts != ("root",) or all(material.root for material in shown):
            files.append((name, render(parts, shown), mode))
    if len(materials) > 1:
        for material in materials:
            for name, parts, mode in layout:
                if parts != ("root",) or material.root:
                    files.append((f"{material.algorithm}/{name}", render(parts, [material]), mode))
    return files
