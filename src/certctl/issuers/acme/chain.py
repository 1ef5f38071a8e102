"""The certificate that an order led to: downloaded, put in order, found to be what was ordered."""

from __future__ import annotations

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import Answer
from certctl.ports import Issued, IssueRequest
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from certctl.x509.chain import order_chain
from certctl.x509.keys import key_facts

ACCEPT = "application/pem-certificate-chain"
MOST = 16
"""Certificates in one chain: a public CA's have two to four."""


class UnusableError(IssuerError):
    """What the CA gave for an order is not what was ordered."""


def download(account: Account, ca: str, url: str, request: IssueRequest, preferred: str) -> Issued:
    """Return the chain at *url* (RFC 8555 §7.4.2).

    *preferred*: the common name of the root, or of another issuer in the chain, that is wanted;
    the CA's default chain is taken where no alternate has it. Raises `UnusableError`.
    """
    answer = account.get(url, what="the certificate", accept=ACCEPT)
    issued = read_chain(answer, ca, request)
    if not preferred or _leads_to(issued, preferred):
        return issued
    for alternate in answer.links("alternate"):
        other = read_chain(account.get(alternate, what="an alternate chain", accept=ACCEPT), ca, request)
        if _leads_to(other, preferred):
            return other
    return issued


def read_chain(answer: Answer, ca: str, request: IssueRequest) -> Issued:
    """Return the chain in *answer* for the key and the names of *request*. Raises `UnusableError`."""
    if b"-----BEGIN " not in answer.body:
        raise UnusableError(f"{ca} gave {answer.excerpt()} where the certificate was due")
    if answer.body.count(b"-----BEGIN ") > MOST:
        raise UnusableError(f"{ca} gave a chain of more than {MOST} certificates")
    try:
        found = pem.certificates(answer.body)
        chain, root = order_chain(found, key_facts(request.key_pem).key.sha256, now=request.now)
        names = certificate_facts(chain[0]).names
    except CertctlError as error:
        raise UnusableError(
            f"{ca} gave a certificate that is of no use: {error.message}", error.hint
        ) from error
    lost = [name for name in request.names if name not in names]
    if lost:
        raise UnusableError(f"{ca} gave a certificate for {', '.join(names)}, without {', '.join(lost)}")
    return Issued(tuple(chain), root)


def _leads_to(issued: Issued, common_name: str) -> bool:
    from cryptography import x509

    chain = [x509.load_pem_x509_certificate(data) for data in issued.chain]
    names = [
        name
        for certificate in chain
        for name in certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    ]
    return common_name in [name.value for name in names]
