"""Plain PEM files: keys, certificates and chains in any split, in one file or below one directory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.onboarding.tools.common import MOST_BYTES, Findings, Lineage, Output, Pair, Refused, Tree, read
from certctl.onboarding.tools.pairs import make, private_keys, started, together
from certctl.x509 import pem
from certctl.x509.certificate import load

MOST_FILES = 5000
_OTHER_KEYS = ("OPENSSH PRIVATE KEY", "DSA PRIVATE KEY")


class _Heap(NamedTuple):
    """All that was found, and in which file."""

    keys: dict[bytes, list[str]]
    certificates: dict[bytes, list[str]]
    parts: dict[str, tuple[str, ...]]
    """File -> what is in it, as a bundle's parts."""


def look(path: str, now: datetime) -> Tree:
    """Every key with its certificate in the file or below the directory *path*."""
    return look_at([path], now)


def look_at(paths: Sequence[str], now: datetime) -> Tree:
    """The same for several files and directories at once, which may complete each other."""
    found = Findings()
    heap = _Heap({}, {}, {})
    for path in paths:
        if not os.path.exists(path):
            raise CertctlError(f"{path} is not there", "name a file or a directory", transient=False)
        alone = not os.path.isdir(path)
        for file in [path] if alone else _walk(path):
            _gather(heap, found, file, alone=alone)
    if not heap.keys and not found.refused:
        raise CertctlError(
            f"there is no private key in {', '.join(paths)}",
            "name the file of the key too, or the directory that holds both",
            transient=False,
        )
    pairs = _pairs(heap, found, now)
    _orphans(heap, found, pairs)
    for same in _by_names(list(pairs)):
        best, rest = together(same)
        found.lineages.append(_lineage(heap, pairs, best))
        for pair in rest:
            names = ", ".join(pair.names)
            why = f"another {pair.algorithm} key for {names} has a newer certificate"
            found.left.append(Refused(os.path.basename(pairs[pair]), pairs[pair], why))
    return found.tree("pem", ", ".join(paths), ())


def _walk(path: str) -> Iterator[str]:
    count = 0
    for top, directories, files in os.walk(path):
        directories.sort()
        for name in sorted(files):
            count += 1
            if count > MOST_FILES:
                raise CertctlError(f"{path} has more than {MOST_FILES} files", "name one below it")
            yield os.path.join(top, name)


def _gather(heap: _Heap, found: Findings, file: str, *, alone: bool) -> None:
    """Add what *file* holds. Other kinds of files are passed over, unless it was named *alone*."""
    if not alone and (not os.path.isfile(file) or os.path.getsize(file) > MOST_BYTES):
        return
    with found.guard(os.path.basename(file), file):
        data = read(file)
        if b"-----BEGIN " not in pem.plain(data):
            if alone:
                raise CertctlError(
                    f"{file} holds no PEM: {pem.quote(data)}", "openssl turns DER and PKCS #12 into PEM"
                )
            return
        found_parts: list[str] = []
        for block in pem.blocks(data):
            if block.label in pem.CERTIFICATE_LABELS:
                text = pem.encode(pem.CERTIFICATE, block.der)
                heap.certificates.setdefault(text, []).append(file)
                found_parts.append("chain" if load(text).is_ca else "cert")
            elif block.label.endswith("PRIVATE KEY") and block.label not in _OTHER_KEYS:
                for key in private_keys(block.text):
                    heap.keys.setdefault(key, []).append(file)
                found_parts.append("key")
        order = ("key", "cert", "chain")
        heap.parts[file] = tuple(part for part in order if part in found_parts)


def _pairs(heap: _Heap, found: Findings, now: datetime) -> dict[Pair, str]:
    """Every key that has a certificate, and its file."""
    pairs = {}
    certificates = list(heap.certificates)
    for key, files in heap.keys.items():
        with found.guard(os.path.basename(files[0]), files[0]):
            if not certificates:
                raise CertctlError(
                    f"{files[0]} holds a key, and there is no certificate beside it",
                    "name the directory that holds both",
                    transient=False,
                )
            pairs[make(key, certificates, now)] = files[0]
    return pairs


def _orphans(heap: _Heap, found: Findings, pairs: dict[Pair, str]) -> None:
    """Certificates of servers whose key is not here: mostly the other half of a mismatched pair."""
    keys = {pair.record.sha256 for pair in pairs}
    for text, files in heap.certificates.items():
        certificate = load(text)
        if not certificate.is_ca and certificate.key_sha256 not in keys:
            message = f"the key of {certificate.label} is not here"
            found.left.append(Refused(os.path.basename(files[0]), files[0], message))


def _by_names(pairs: list[Pair]) -> list[list[Pair]]:
    groups: dict[frozenset[str], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(frozenset(pair.names), []).append(pair)
    return list(groups.values())


def _lineage(heap: _Heap, pairs: dict[Pair, str], best: list[Pair]) -> Lineage:
    best.sort(key=started, reverse=True)
    files = [pairs[pair] for pair in best]
    leaves = {pair.material.leaf for pair in best}
    with_leaf = [file for text, places in heap.certificates.items() if text in leaves for file in places]
    outputs = [Output(file, heap.parts[file]) for file in dict.fromkeys([*files, *with_leaf])]
    return Lineage(best[0].names[0], files[0], tuple(best), outputs=tuple(outputs))
