"""The account at a CA: made on first use, contacts followed (RFC 8555 §7.3)."""

from __future__ import annotations

from typing import Any

from acme import messages
from josepy.jwk import JWK

from certctl.errors import IssuerError
from certctl.issuers.acme import accountfile, rollover
from certctl.issuers.acme.accountfile import Registration
from certctl.issuers.acme.answer import Answer
from certctl.issuers.acme.client import ANYTHING, JSON, Client, Payload
from certctl.issuers.acme.eab import binding
from certctl.issuers.acme.jws import Signer
from certctl.issuers.acme.problem import RefusedError, UnreachableError
from certctl.issuers.acme.shared import lock_for
from certctl.planning.spec import AcmeOptions

FORGOTTEN = ""
"""In place of the directory: the CA does not know the account any more."""


class Account:
    """Who asks, for all threads; what is on disk is looked at once."""

    def __init__(self, client: Client, options: AcmeOptions, home: str) -> None:
        self._client = client
        self._options = options
        self._home = home
        self._lock = lock_for(home)
        self._signer: Signer | None = None

    def signer(self) -> Signer:
        """Return the key with the account's URL; the account is made, found or brought up to date first.

        Raises `IssuerError` where the terms are not agreed to, the account was deactivated or the CA
        refuses.
        """
        with self._lock:
            if self._signer is None:
                self._signer = self._ready()
            return self._signer

    def post(
        self,
        url: str,
        payload: Payload,
        *,
        what: str,
        accept: str = JSON,
        repeatable: bool = True,
    ) -> Answer:
        """POST to *url* as this account; see `Client.post`."""
        signer = self.signer()
        try:
            return self._client.post(url, signer, payload, what=what, accept=accept, repeatable=repeatable)
        except RefusedError as refusal:
            if refusal.problem.code == "accountDoesNotExist":
                self._forget()
            raise

    def get(self, url: str, *, what: str, accept: str = JSON) -> Answer:
        """POST-as-GET (RFC 8555 §6.3)."""
        return self.post(url, None, what=what, accept=accept)

    def exists(self) -> bool:
        """True if there is an account, or at least its key."""
        return accountfile.read_key(accountfile.key_path(self._home)) is not None

    def show(self) -> dict[str, Any]:
        """Return the account object as the CA has it now."""
        url = self.signer().account
        assert url is not None
        return self.get(url, what="the account").document()

    def rollover(self) -> None:
        """Replace the account's key (RFC 8555 §7.3.5); a crash on the way is settled by the next use."""
        signer = self.signer()
        with self._lock:
            self._signer = None  # if there is no answer, the next use finds out which key counts
            self._signer = rollover.roll(self._client, self._home, signer)

    def deactivate(self) -> None:
        """Deactivate the account for good (RFC 8555 §7.3.6); the key stays on disk."""
        signer = self.signer()
        assert signer.account is not None
        with self._lock:
            self._client.post(
                signer.account, signer, {"status": "deactivated"}, what="the deactivation", accept=ANYTHING
            )
            registration = Registration(self._client.url, signer.account, (), deactivated=True)
            accountfile.write_registration(self._home, registration)
            self._signer = None

    def _ready(self) -> Signer:
        registration = accountfile.read_registration(self._home)
        if registration and registration.directory not in (self._client.url, FORGOTTEN):
            return self._register(self._key())  # pointed at another CA: the key is made known there, too
        if registration and registration.deactivated:
            raise IssuerError(
                f"the account {registration.url} of issuer {self._client.name} was deactivated",
                f"to make a new one: rm {accountfile.registration_path(self._home)} "
                f"{accountfile.key_path(self._home)}",
                transient=False,
            )
        key = rollover.settle(self._client, self._home) or self._key()
        if registration is None or registration.directory == FORGOTTEN:
            return self._register(key)
        signer = Signer(key, registration.url)
        if registration.contact == self._contact():
            return signer
        try:
            return self._update(signer)
        except RefusedError as refusal:
            if refusal.problem.code != "accountDoesNotExist":
                raise
            return self._register(key)

    def _key(self) -> JWK:
        path = accountfile.key_path(self._home)
        found = accountfile.read_key(path)
        if found is None:
            accountfile.write_key(path, accountfile.new_key())
            found = accountfile.read_key(path)
            assert found is not None
        return found

    def _register(self, key: JWK) -> Signer:
        """Make the account; a CA that knows the key already answers with the account it has (§7.3.1)."""
        directory = self._client.directory()
        self._check_terms(directory.terms)
        contact = self._contact()
        body = messages.NewRegistration(
            contact=contact or None,
            terms_of_service_agreed=True,
            external_account_binding=binding(self._client, self._options, key),
        )
        answer = self._client.post(directory.new_account, Signer(key), body, what="the account")
        url = answer.header("Location")
        if not url:
            raise UnreachableError(
                f"{self._client.name} answered a new account without a Location: {answer.excerpt()}"
            )
        signer = Signer(key, url)
        if answer.status == 200:  # it was there before, with contacts of its own
            return self._update(signer)
        accountfile.write_registration(self._home, Registration(self._client.url, url, contact))
        return signer

    def _update(self, signer: Signer) -> Signer:
        assert signer.account is not None
        contact = self._contact()
        self._client.post(
            signer.account, signer, {"contact": list(contact)}, what="the account's contacts", accept=ANYTHING
        )
        accountfile.write_registration(self._home, Registration(self._client.url, signer.account, contact))
        return signer

    def _contact(self) -> tuple[str, ...]:
        return tuple(f"mailto:{address}" for address in self._options.email)

    def _check_terms(self, terms: str) -> None:
        if not self._options.agree_tos:
            where = f" at {terms}" if terms else ""
            raise IssuerError(
                f"the terms of service of {self._client.name}{where} are not agreed to",
                f"read them{where}, then set agree_tos = true in [issuer.{self._client.name}]",
                transient=False,
            )

    def _forget(self) -> None:
        """Register the key anew next time: the CA has lost the account (a test CA that was started anew)."""
        with self._lock:
            if self._signer is not None:
                registration = accountfile.read_registration(self._home)
                if registration and not registration.deactivated:
                    accountfile.write_registration(self._home, registration._replace(directory=FORGOTTEN))
                self._signer = None
