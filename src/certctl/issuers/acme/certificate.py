"""A certificate of the CA: its chain, when to renew it (RFC 9773), and its revocation (RFC 8555 §7.6)."""

from __future__ import annotations

import random
import time
from datetime import datetime

from acme import messages
from cryptography import x509

from certctl.errors import CertctlError, IssuerError, UsageError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.answer import Answer, RefusedError, UnreachableError
from certctl.issuers.acme.client import ANYTHING, Client
from certctl.issuers.acme.signing import Signer, b64, load_key
from certctl.issuers.acme.transport import LONGEST_URL
from certctl.planning.state import Advice
from certctl.planning.times import after, parse_rfc3339, rfc3339, to_milliseconds
from certctl.ports import Issued, IssueRequest
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from certctl.x509.chain import order_chain
from certctl.x509.keys import key_facts

DEFAULT_CHECK = 6 * 3600.0
SHORTEST_CHECK = 60.0
LONGEST_CHECK = 86400.0
"""RFC 9773 §4.3.2 wants limits on both sides of Retry-After."""
AFTER_FAILURE = 3600.0
DOWN = 60.0
_random = random.SystemRandom()


def certificate_id(leaf_pem: bytes) -> str | None:
    """Return the identifier of RFC 9773 §4.1: AKI's key identifier, dot, serial; None without an AKI."""
    leaf = x509.load_pem_x509_certificate(leaf_pem)
    try:
        aki = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
    if aki.key_identifier is None:
        return None
    serial = leaf.serial_number
    # The content of a DER INTEGER: one bit more than the number has, for the sign.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return f"{b64(aki.key_identifier)}.{b64(octets)}"


class Adviser:
    """Asks one CA; where it cannot be asked, the certificates after that one do not wait for it again."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._down: tuple[float, RefusedError | UnreachableError] | None = None

    def advice(self, leaf_pem: bytes, known: Advice | None, now: datetime) -> Advice | None:
        """Return the CA's advice at *now*; None if it has none for this certificate.

        While *known* need not be asked for again it is returned as it is; while its window stays,
        its moment stays. Where the CA cannot be asked, *known* holds on. Raises `IssuerError` where
        nothing is known and the CA cannot be asked.
        """
        if known and now < known.check_at:
            return known
        if self._down and time.monotonic() < self._down[0]:
            return _kept(known, now, self._down[1])
        try:
            ends = not_after(leaf_pem)
            url = self._url(leaf_pem) if ends > now else ""  # §4.3: nobody asks for one that has expired
            return _read(self._client.get(url, patient=False), known, now, ends) if url else None
        except RefusedError as refusal:
            if refusal.problem.status < 500 and refusal.problem.status != 429:
                return None  # another CA's certificate, or one that it has forgotten
            return self._note_down(known, now, refusal)
        except UnreachableError as error:
            return self._note_down(known, now, error)

    def _url(self, leaf_pem: bytes) -> str:
        """Return where to ask; empty where there is nobody to ask."""
        identifier = certificate_id(leaf_pem)
        base = self._client.directory().renewal_info
        return f"{base.rstrip('/')}/{identifier}" if base and identifier else ""

    def _note_down(
        self, known: Advice | None, now: datetime, error: RefusedError | UnreachableError
    ) -> Advice:
        self._down = time.monotonic() + max(error.retry_after or 0.0, DOWN), error
        return _kept(known, now, error)


def _kept(known: Advice | None, now: datetime, error: RefusedError | UnreachableError) -> Advice:
    if known is None:
        raise error
    return known._replace(check_at=after(now, max(error.retry_after or 0.0, AFTER_FAILURE)))


def not_after(leaf_pem: bytes) -> datetime:
    return x509.load_pem_x509_certificate(leaf_pem).not_valid_after_utc


def _read(answer: Answer, known: Advice | None, now: datetime, ends: datetime) -> Advice:
    """Read what the CA advises for a certificate that *ends* then. Raises `UnreachableError`."""
    found = answer.document()
    try:
        window = found["suggestedWindow"]
        start, end = parse_rfc3339(window["start"]), parse_rfc3339(window["end"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreachableError(
            f"{answer.url} answered with {answer.excerpt()} where a renewal window was due"
        ) from error
    if end <= start:
        raise UnreachableError(
            f"{answer.url} gave a renewal window that ends before it begins ({start} to {end})"
        )
    if start >= ends:
        raise UnreachableError(
            f"{answer.url} gave a renewal window from {rfc3339(start)}, when the certificate has ended"
        )
    start, end = to_milliseconds(start), to_milliseconds(end)
    wanted = answer.retry_after()
    pause = DEFAULT_CHECK if wanted is None else min(max(wanted, SHORTEST_CHECK), LONGEST_CHECK)
    explanation = found.get("explanationURL")
    same = known is not None and (known.window_start, known.window_end) == (start, end)
    return Advice(
        renew_at=known.renew_at if known and same else _moment(start, min(end, ends), now),
        window_start=start,
        window_end=end,
        check_at=after(now, pause),
        explanation_url=explanation
        if isinstance(explanation, str) and len(explanation) <= LONGEST_URL
        else None,
    )


def _moment(start: datetime, end: datetime, now: datetime) -> datetime:
    """Choose a moment in the window, all alike (§4.2); a window in the past means now."""
    if end <= now:
        return to_milliseconds(now)
    return to_milliseconds(start + (end - start) * _random.random())


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
    chain = [x509.load_pem_x509_certificate(data) for data in issued.chain]
    names = [
        name
        for certificate in chain
        for name in certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    ]
    return common_name in [name.value for name in names]


REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
"""RFC 5280 §5.3.1. Public CAs take few: 0, 1, 3, 4, 5 and some 9."""


def reason_code(reason: str) -> int:
    """Return the CRL reason code of a word, whatever its case and hyphens. Raises `UsageError`."""
    wanted = reason.replace("-", "").replace("_", "").lower() or "unspecified"
    for word, code in REASONS.items():
        if word.lower() == wanted:
            return code
    raise UsageError(f"{reason!r} is no reason for a revocation", f"one of {', '.join(REASONS)}")


def revoke(client: Client, account: Account, leaf_pem: bytes, key_pem: bytes | None, reason: str) -> None:
    """Revoke the certificate, with its own key where *key_pem* is given; one revoked before is fine."""
    code = reason_code(reason)
    url = client.directory().revoke_cert
    if not url:
        raise IssuerError(f"{client.name} offers no revocation", transient=False)
    payload = messages.Revocation(certificate=x509.load_pem_x509_certificate(leaf_pem), reason=code)
    try:
        if key_pem is None:
            account.post(url, payload, what="the revocation", accept=ANYTHING)
        else:
            signer = Signer(load_key(key_pem, "the certificate's key"))
            client.post(url, signer, payload, what="the revocation", accept=ANYTHING)
    except RefusedError as refusal:
        if refusal.problem.code != "alreadyRevoked":
            raise
