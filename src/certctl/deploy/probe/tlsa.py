"""TLSA records against a served chain (RFC 6698 §2, RFC 7671 §5, RFC 7672 §3.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from certctl.deploy.probe.values import ServedCertificate

DANE_TA, DANE_EE = 2, 3
SPKI = 1
FULL, SHA256, SHA512 = 0, 1, 2


class Record(NamedTuple):
    """One TLSA record."""

    usage: int
    selector: int
    matching: int
    data: str
    """Lower-case hex."""

    @property
    def usable(self) -> bool:
        """Whether DANE for mail takes notice of it: usages 0 and 1 are not for SMTP (RFC 7672 §3.1.3)."""
        return self.usage in (DANE_TA, DANE_EE) and self.selector in (0, 1) and self.matching in (0, 1, 2)

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data}"


def parse(text: str) -> Record:
    """Take the presentation form of a record's data apart: "3 1 1 AB12…", blanks within the data or not."""
    usage, selector, matching, *data = text.split()
    return Record(int(usage), int(selector), int(matching), "".join(data).lower())


def matches(record: Record, chain: Sequence[ServedCertificate]) -> bool:
    """Whether a server that shows *chain* is what *record* says."""
    if not record.usable or not chain:
        return False
    if record.usage == DANE_EE:
        return _is(record, chain[0])
    return any(_is(record, certificate) for certificate in chain)


def _is(record: Record, certificate: ServedCertificate) -> bool:
    if record.matching == SHA512:
        digest = certificate.key_sha512 if record.selector == SPKI else certificate.sha512
        return record.data == _bare(digest)
    digest = certificate.key_sha256 if record.selector == SPKI else certificate.sha256
    data = record.data
    if record.matching == FULL:
        data = hashlib.sha256(bytes.fromhex(record.data)).hexdigest()
    return data == _bare(digest)


def _bare(digest: str) -> str:
    return digest.replace(":", "").lower()
