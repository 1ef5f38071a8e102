"""The `acme` issuer: what the engine and the command line speak to.

Importing this costs nothing: urllib3, josepy, acme and cryptography come with the first conversation.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from certctl.errors import IssuerError
from certctl.planning.spec import IssuerSpec
from certctl.planning.state import Advice
from certctl.ports import Issued, IssueRequest

if TYPE_CHECKING:
    from certctl.issuers.acme.obtain import Session


class AccountFacts(NamedTuple):
    """An account as the CA has it."""

    directory: str
    url: str
    status: str
    contact: tuple[str, ...]
    """What the CA keeps; some keep none."""
    thumbprint: str
    """Of the key, RFC 7638."""
    key_file: str
    terms: str
    """Where the CA's terms of service are."""


class AcmeIssuer:
    """Certificates from a CA that speaks RFC 8555. Fulfils Issuer, RenewalAdviser and Revoker."""

    def __init__(self, spec: IssuerSpec, home: str) -> None:
        """*home*: the directory of the account's files, made when it is needed."""
        assert spec.acme is not None
        self.spec = spec
        self.home = home
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._orders = threading.BoundedSemaphore(max(spec.acme.max_orders, 1))

    def issue(self, request: IssueRequest) -> Issued:
        """Return the certificate for *request*; an order that an earlier call left half-way is gone on with.

        At most `max_orders` are under way at once, the others wait. While the CA asks for a pause
        (429, or Retry-After with an error), no order begins.
        """
        session = self.session()
        session.client.pause.check()
        with self._orders, session.pace.order():
            session.client.pause.check()
            from certctl.issuers.acme.obtain import obtain

            return obtain(session, request)

    def finish(self, request: IssueRequest) -> None:
        """Forget the order: its certificate is durable."""
        from certctl.issuers.acme.order import drop_note

        drop_note(request)

    def renewal_info(self, leaf_pem: bytes, known: Advice | None, now: datetime) -> Advice | None:
        """Return the CA's advice (RFC 9773); None where it gives none, or `ari = false`."""
        assert self.spec.acme is not None
        if not self.spec.acme.ari:
            return None
        if known and now < known.check_at:
            return known
        return self.session().adviser.advice(leaf_pem, known, now)

    def revoke(self, leaf_pem: bytes, key_pem: bytes | None, reason: str) -> None:
        """Revoke as the account that ordered, or with the certificate's own key where *key_pem* is given."""
        from certctl.issuers.acme.certificate import revoke

        session = self.session()
        revoke(session.client, session.account, leaf_pem, key_pem, reason)

    def session(self) -> Session:
        """Return the one conversation with the CA."""
        with self._lock:
            if self._session is None:
                from certctl.issuers.acme.obtain import Session

                self._session = Session(self.spec, self.home)
            return self._session


def account_show(issuer: AcmeIssuer) -> AccountFacts:
    """Return what the CA knows of the issuer's account. Raises `CertctlError`, also if there is none."""
    from certctl.issuers.acme.accountfile import key_path

    check_account(issuer)
    session = issuer.session()
    found = session.account.show()
    signer = session.account.signer()
    contact = found.get("contact")
    return AccountFacts(
        directory=session.client.url,
        url=signer.account or "",
        status=str(found.get("status") or "unknown"),
        contact=tuple(str(item) for item in contact) if isinstance(contact, list) else (),
        thumbprint=signer.thumbprint(),
        key_file=key_path(issuer.home),
        terms=session.client.directory().terms,
    )


def account_rollover(issuer: AcmeIssuer) -> AccountFacts:
    """Give the account a new key (RFC 8555 §7.3.5); return what the CA knows of it then."""
    check_account(issuer)
    issuer.session().account.rollover()
    return account_show(issuer)


def account_deactivate(issuer: AcmeIssuer) -> None:
    """Deactivate the account for good (RFC 8555 §7.3.6). Its files stay, and the issuer refuses to order."""
    check_account(issuer)
    issuer.session().account.deactivate()


def check_account(issuer: AcmeIssuer) -> None:
    """Raise IssuerError where there is no account yet. The CA is not asked."""
    session = issuer.session()
    if not session.account.exists():
        raise IssuerError(
            f"issuer {issuer.spec.name} has no account yet",
            "the first order makes it: certctl run",
            transient=False,
        )
