"""What is served, read with cryptography and none of certctl's own code."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n?", re.DOTALL)


class Served(NamedTuple):
    """One key with what follows it."""

    pin: str | None
    """sha256 of the SubjectPublicKeyInfo; None where the key is not in the file."""
    chain: tuple[x509.Certificate, ...]

    @property
    def serial(self) -> int:
        return self.chain[0].serial_number


def blocks(data: bytes) -> list[tuple[str, bytes]]:
    """The PEM blocks of *data*; anything else but white space is an error."""
    rest = _BLOCK.sub(b"", data)
    assert not rest.strip(), f"not PEM: {rest[:80]!r}"
    return [(match[1].decode(), match[0]) for match in _BLOCK.finditer(data)]


def served(data: bytes) -> list[Served]:
    """The keys of a bundle, each with the certificates that follow it; every pair must match."""
    groups: list[tuple[str | None, list[x509.Certificate]]] = []
    for label, block in blocks(data):
        if label.endswith("PRIVATE KEY"):
            groups.append((pin_of_key(block), []))
        else:
            assert label == "CERTIFICATE", label
            if not groups:
                groups.append((None, []))
            groups[-1][1].append(x509.load_pem_x509_certificate(block))
    found = [Served(pin, tuple(chain)) for pin, chain in groups]
    for item in found:
        assert item.chain, "a key without a certificate"
        assert item.pin in (None, pin_of(item.chain[0])), "a key beside the certificate of another"
    return found


def check_chain(item: Served, roots: Sequence[x509.Certificate], names: Sequence[str]) -> None:
    """The chain is whole: each certificate is signed by the next, the last by a root or by itself."""
    leaf = item.chain[0]
    alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    in_leaf = {*alternative.get_values_for_type(x509.DNSName)}
    in_leaf |= {str(address) for address in alternative.get_values_for_type(x509.IPAddress)}
    assert set(names) <= in_leaf, f"names {names}, in the certificate {in_leaf}"
    for below, above in zip(item.chain, item.chain[1:], strict=False):
        below.verify_directly_issued_by(above)
    last = item.chain[-1]
    ends = [root for root in (last, *roots) if _issued(root, last)]
    assert ends, f"the chain ends at {last.subject.rfc4514_string()}, which no root signed"


def _issued(above: x509.Certificate, below: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def pin_of_key(pem: bytes) -> str:
    return _pin(serialization.load_pem_private_key(pem, None).public_key())


def pin_of(certificate: x509.Certificate) -> str:
    return _pin(certificate.public_key())


def _pin(key: object) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der: bytes = key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def files(*directories: str | Path) -> Iterator[tuple[str, os.stat_result, bytes]]:
    """Every regular file below *directories*: path, lstat, content."""
    for directory in directories:
        for top, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(top, name)
                info = os.lstat(path)
                if stat.S_ISREG(info.st_mode):
                    with open(path, "rb") as file:
                        yield path, info, file.read()


def private_keys(*directories: str | Path) -> dict[str, list[str]]:
    """Every private key that is anywhere below *directories*: pin -> the files that hold it."""
    found: dict[str, list[str]] = {}
    for path, _, data in files(*directories):
        for match in _BLOCK.finditer(data):
            if match[1].endswith(b"PRIVATE KEY"):
                try:
                    pin = pin_of_key(match[0])
                except ValueError:
                    continue
                found.setdefault(pin, []).append(path)
    return found
