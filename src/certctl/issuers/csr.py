"""A request that a person carries to a CA, and the certificate that comes back days later.

In the generation's work directory:

    ALGORITHM.csr            0644  the request; written anew when names or key changed
    ALGORITHM.accepted.pem   0644  leaf, intermediates and, where known, root, as `accept` checked them
"""

from __future__ import annotations

import os

from certctl.errors import CertctlError
from certctl.planning.spec import IssuerSpec
from certctl.ports import Issued, IssueRequest, Waiting
from certctl.store import atomic
from certctl.system.files import read_file
from certctl.x509 import pem
from certctl.x509.chain import check_chain, order_chain
from certctl.x509.keys import key_facts, make_csr, request_facts

CSR = ".csr"
ACCEPTED = ".accepted.pem"


class CsrIssuer:
    """Waits for a person; what they bring is put beside the request by `accepting.accept`."""

    def __init__(self, spec: IssuerSpec, home: str) -> None:
        self.spec = spec
        self.home = home

    def issue(self, request: IssueRequest) -> Issued | Waiting:
        """Return what was accepted for the request; without that, write the request and wait."""
        wrong = ""
        try:
            answer = _accepted(request)
            if answer is not None:
                return answer
        except CertctlError as error:
            wrong = f"; what was accepted before no longer serves: {error.message}"
        path = os.path.join(request.work_dir, request.algorithm + CSR)
        if not _is_current(path, request):
            atomic.make_directory(request.work_dir)
            atomic.write(path, make_csr(request.key_pem, request.names), 0o644)
        command = f"certctl accept {request.certificate} CERT.pem"
        return Waiting(f"{path} waits for a CA to sign it; then type: {command}{wrong}")

    def finish(self, request: IssueRequest) -> None:
        """Take the request and what was accepted for it away."""
        for suffix in (CSR, ACCEPTED):
            atomic.remove(os.path.join(request.work_dir, request.algorithm + suffix))


def _accepted(request: IssueRequest) -> Issued | None:
    """Return what was accepted, in order and checked again; None if nothing was, or what is now replaced."""
    data = read(os.path.join(request.work_dir, request.algorithm + ACCEPTED))
    if data is None:
        return None
    key = key_facts(request.key_pem).key.sha256
    chain, root = order_chain(pem.certificates(data), key, now=request.now)
    # A crash before `finish` left it here, and a renewal is asked for since.
    if request.replaces is not None and chain[:1] == pem.certificates(request.replaces)[:1]:
        return None
    check_chain(chain, spki_sha256=key, names=request.names, now=request.now, root=root)
    return Issued(tuple(chain), root)


def _is_current(path: str, request: IssueRequest) -> bool:
    """Whether the request in *path* asks for these names with this key; one that cannot be read does not."""
    data = read(path)
    if data is None:
        return False
    try:
        asked = request_facts(data)
    except CertctlError:
        return False
    return (
        set(asked.names) == set(request.names) and asked.key_sha256 == key_facts(request.key_pem).key.sha256
    )


def read(path: str) -> bytes | None:
    """Return what *path* holds; None if it does not exist."""
    return read_file(path, follow=True)
