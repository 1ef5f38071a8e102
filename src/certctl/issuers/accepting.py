"""`certctl accept`: certificates from a CA meet the requests that wait for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.csr import ACCEPTED, CSR, read
from certctl.store import atomic
from certctl.x509.certificate import certificate_facts
from certctl.x509.chain import check_chain, order_chain
from certctl.x509.formats import read_certificates
from certctl.x509.keys import RequestFacts, request_facts


class PendingCsr(NamedTuple):
    """A request that waits for its certificate."""

    work_dir: str
    algorithm: str
    names: tuple[str, ...]
    key_sha256: str
    """Of the SubjectPublicKeyInfo, "AA:BB:…"."""

    @property
    def path(self) -> str:
        return os.path.join(self.work_dir, self.algorithm + CSR)


def pending(work_dir: str) -> list[PendingCsr]:
    """Return the requests in *work_dir*, by algorithm; none if there is no such directory."""
    try:
        entries = sorted(os.listdir(work_dir))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise IssuerError(f"cannot read {work_dir}: {(error.strerror or str(error)).lower()}") from error
    found: list[PendingCsr] = []
    for entry in entries:
        if entry.endswith(CSR) and not entry.startswith("."):
            asked = _asked(os.path.join(work_dir, entry))
            found.append(PendingCsr(work_dir, entry.removesuffix(CSR), *asked))
    return found


def _asked(path: str) -> RequestFacts:
    try:
        return request_facts(read(path) or b"")
    except CertctlError as error:
        raise IssuerError(f"{path}: {error.message}", "certctl run writes it anew") from error


def accept(requests: Sequence[PendingCsr], pem_data: Sequence[bytes], now: datetime) -> list[PendingCsr]:
    """Store certificates beside the requests that they belong to, by key; return those requests.

    *pem_data*: what the files hold that a person names, in any order and split in
    any way: PEM, DER or PKCS #7. Each chain is put in order and checked, and
    nothing is stored unless all of them pass. The next `issue` returns them.

    Raises CertctlError if no certificate has the key of a request, if one is
    missing between leaf and root, and for whatever `check` finds.
    """
    if not requests:
        raise CertctlError(
            "no certificate request waits", "certctl status shows what is waited for", transient=False
        )
    heap = [certificate for data in pem_data for certificate in read_certificates(data)]
    keys = {certificate_facts(certificate).key.sha256 for certificate in heap}
    met = [request for request in requests if request.key_sha256 in keys]
    if not met:
        raise _foreign(requests, heap)
    batch = atomic.Batch()
    for request in met:
        chain, root = order_chain(heap, request.key_sha256, now=now)
        check_chain(chain, spki_sha256=request.key_sha256, names=request.names, now=now, root=root)
        stored = chain if root is None or root in chain else [*chain, root]
        batch.file(os.path.join(request.work_dir, request.algorithm + ACCEPTED), b"".join(stored), 0o644)
    atomic.commit(batch)
    return met


def _foreign(requests: Sequence[PendingCsr], heap: Sequence[bytes]) -> CertctlError:
    wanted = ", ".join(f"{request.path} has {request.key_sha256}" for request in requests)
    found = [certificate_facts(certificate) for certificate in heap[:4]]
    given = ", ".join(f"{', '.join(one.names[:3]) or 'a CA'} has {one.key.sha256}" for one in found)
    return CertctlError(
        f"no certificate has the key of a request that waits: {given or 'there is none'}; {wanted}",
        "it was issued for another request, or for an older one: have the present one signed",
        transient=False,
    )
