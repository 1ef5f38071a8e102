"""Revocation (RFC 8555 §7.6), by the account that ordered or by the certificate's own key."""

from __future__ import annotations

from certctl.errors import IssuerError, UsageError
from certctl.issuers.acme.account import Account
from certctl.issuers.acme.client import ANYTHING, Client
from certctl.issuers.acme.jws import Signer, b64, load_key
from certctl.issuers.acme.problem import RefusedError

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
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    code = reason_code(reason)
    url = client.directory().revoke_cert
    if not url:
        raise IssuerError(f"{client.name} offers no revocation", transient=False)
    der = x509.load_pem_x509_certificate(leaf_pem).public_bytes(Encoding.DER)
    payload = {"certificate": b64(der), "reason": code}
    try:
        if key_pem is None:
            account.post(url, payload, what="the revocation", accept=ANYTHING)
        else:
            signer = Signer(load_key(key_pem, "the certificate's key"))
            client.post(url, signer, payload, what="the revocation", accept=ANYTHING)
    except RefusedError as refusal:
        if refusal.problem.code != "alreadyRevoked":
            raise
