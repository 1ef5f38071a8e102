"""PEM bundles in the order that servers want: key, its certificate, the certificate's issuers."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from certctl.errors import CertctlError


class Material(NamedTuple):
    """The PEM texts of one key of an issued generation."""

    algorithm: str
    key: bytes
    leaf: bytes
    chain: tuple[bytes, ...] = ()
    """Intermediates, each the issuer of the one before."""
    root: bytes | None = None


class Prepared(NamedTuple):
    """A file as it is about to be written, or live/NAME as it is about to be swapped."""

    path: str
    digest: str
    """As `FileSeen.digest` will be, once it is written."""
    commit: Callable[[], None]


def render(parts: Iterable[str], materials: Sequence[Material], algorithm: str | None = None) -> bytes:
    """One PEM file: *parts* in their order, of every material in turn or of *algorithm* only.

    With key, cert and chain this is what Postfix's smtpd_tls_chain_files wants
    (postconf(5)): each key is followed by its own certificate and issuers. A root
    that is the certificate itself, or that two algorithms share, appears once.
    """
    blocks: list[bytes] = []
    roots: list[bytes] = []
    for material in materials:
        if algorithm is not None and material.algorithm != algorithm:
            continue
        for part in parts:
            if part == "key":
                blocks.append(material.key)
            elif part == "cert":
                blocks.append(material.leaf)
            elif part == "chain":
                blocks.extend(material.chain)
            elif material.root is not None:
                roots.append(material.root)
            else:
                raise CertctlError(
                    "the part root is asked for, but the issuer does not tell its root",
                    "take root out of parts; a public CA's root is in the system's trust store",
                    transient=False,
                )
    seen = set(blocks)
    blocks.extend(root for root in dict.fromkeys(roots) if root not in seen)
    return b"".join(block.rstrip(b"\n") + b"\n" for block in blocks)


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
