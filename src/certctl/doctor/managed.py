"""Certificates that certctl manages, held against what the servers are configured to serve."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.doctor.finding import WARNING, Finding, Used


class ManagedFile(NamedTuple):
    """A certificate in a file that certctl writes: one for each algorithm in it."""

    path: str
    certificate: str
    """Name of the lineage."""
    leaf_sha256: str
    """Of the certificate that is current, "AA:BB:…"."""
    probed: bool = False
    """Whether passes look at what is served: then doctor need not know the server that serves it."""


def check_managed(managed: Sequence[ManagedFile], used: Sequence[Used]) -> Iterator[Finding]:
    """Find managed certificates that no server uses, and copies of them that are no longer current."""
    by_certificate: dict[str, list[ManagedFile]] = {}
    for file in managed:
        by_certificate.setdefault(file.certificate, []).append(file)
    served_paths = {os.path.realpath(one.path) for one in used}
    for certificate, files in by_certificate.items():
        leaves = {file.leaf_sha256 for file in files}
        if any(file.probed for file in files):
            continue
        if served_paths & {os.path.realpath(file.path) for file in files} or leaves & {
            one.leaf_sha256 for one in used
        }:
            continue
        path = files[0].path
        others = ", ".join(sorted({f"{one.subject}: {one.path}" for one in used}))
        yield Finding(
            WARNING,
            f"certctl certificate {certificate}",
            "managed-unused",
            f"{path} is kept current, but no server here uses it"
            + (f" (they use {others})" if others else ""),
            f"let a server read it; in Postfix: postconf -e 'smtpd_tls_chain_files = {path}'; postfix reload",
        )
    yield from _stale(managed, used)


def _stale(managed: Sequence[ManagedFile], used: Sequence[Used]) -> Iterator[Finding]:
    """A file that a server uses and certctl writes, but that does not hold the current certificate."""
    leaves: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for file in managed:
        real = os.path.realpath(file.path)
        leaves.setdefault(real, set()).add(file.leaf_sha256)
        names[real] = file.certificate
    for one in used:
        real = os.path.realpath(one.path)
        if real in leaves and one.leaf_sha256 not in leaves[real]:
            yield Finding(
                WARNING,
                one.subject,
                "managed-stale",
                f"{one.path} does not hold the current certificate of {names[real]}",
                f"certctl run {names[real]}",
            )
