"""Is an issuer a root that the system trusts? Then nothing is missing between it and the leaf."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from certctl.errors import CertctlError
from certctl.servers.files import Content, read
from certctl.x509 import pem
from certctl.x509.certificate import Certificate, load
from certctl.x509.chain import issued

STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Debian, Red Hat, SUSE, the BSDs."""


def issued_by_root(certificate: Certificate, extra: Sequence[str] = ()) -> bool:
    """Whether a root of the system, or one in the files *extra*, signed *certificate*."""
    return any(issued(root, certificate) for path in (*extra, *STORES) for root in _roots(path))


@lru_cache(maxsize=16)
def _roots(path: str) -> tuple[Certificate, ...]:
    return tuple(_load_all(path))


def _load_all(path: str) -> Iterator[Certificate]:
    content = read(path)
    if not isinstance(content, Content):
        return
    try:
        certificates = pem.certificates(content.data)
    except CertctlError:
        return
    for text in certificates:
        try:
            yield load(text)
        except CertctlError:
            continue  # one odd root in a system's store is not what is examined here


def holds_certificates(path: str) -> bool:
    """Whether *path* can be read and has a certificate in it that can be read."""
    return bool(_roots(path))
