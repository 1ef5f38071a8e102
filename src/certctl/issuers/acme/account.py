"""The account at a CA: made on first use, contacts followed (RFC 8555 §7.3)."""

from __future__ import annotations

import os
import threading
from typing import Any

from acme import messages
from josepy.b64 import b64decode
from josepy.jwk import JWK

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme import accountfile
from certctl.issuers.acme.accountfile import Registration
from certctl.issuers.acme.answer import Answer, RefusedError, UnreachableError
from certctl.issuers.acme.client import ANYTHING, JSON, Client, Payload
from certctl.issuers.acme.signing import Signer, dump, sign
from certctl.planning.spec import AcmeOptions
from certctl.store import atomic
from certctl.system.secret import read_secret

FORGOTTEN = ""
"""In place of the directory: the CA does not know the account any more."""


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


def lock_for(path: str) -> threading.Lock:
    """Return the process's one lock for what is at *path*: two issuers may be made for one home."""
    with _locks_lock:
        return _locks.setdefault(os.path.realpath(path), threading.Lock())


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
            self._signer = roll(self._client, self._home, signer)

    def deactivate(self) -> None:
        """Deactivate the account for good (RFC 8555 §7.3.6); the key stays on disk."""
        signer = self.signer()
        assert signer.account is not None
        with self._lock:
            self._client.post(
                signer.account,
                signer,
                messages.UpdateRegistration(status=messages.STATUS_DEACTIVATED),
                what="the deactivation",
                accept=ANYTHING,
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
        key = settle(self._client, self._home) or self._key()
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
            signer.account,
            signer,
            messages.UpdateRegistration(contact=contact),
            what="the account's contacts",
            accept=ANYTHING,
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


_HINT = "the file holds the HMAC key alone, in base64url as the CA shows it"
ALGORITHMS = ("HS256", "HS384", "HS512")


def binding(client: Client, options: AcmeOptions, key: JWK) -> dict[str, Any] | None:
    """Return the JWS over the account's public *key*, made with the MAC key that the CA handed out.

    None where no binding is configured. Raises `IssuerError` where the CA wants one, or it cannot be made.
    """
    directory = client.directory()
    if not options.eab_kid:
        if directory.external_account_required:
            raise IssuerError(
                f"{client.name} wants an external account binding",
                f"get a key id and an HMAC key from the CA and set eab_kid and eab_hmac_key_file in "
                f"[issuer.{client.name}]",
                transient=False,
            )
        return None
    if options.eab_algorithm not in ALGORITHMS:
        raise IssuerError(
            f"eab_algorithm {options.eab_algorithm!r} is not known",
            f"one of {', '.join(ALGORITHMS)}",
            transient=False,
        )
    return messages.ExternalAccountBinding.from_data(
        account_public_key=key.public_key(),
        kid=options.eab_kid,
        hmac_key=_mac_key(options.eab_hmac_key_file),
        directory=messages.Directory({"newAccount": directory.new_account}),
        hmac_alg=options.eab_algorithm,
    )


def _mac_key(path: str) -> str:
    """Return the base64url text in *path*; CAs show it with and without padding, some in plain base64."""
    try:
        text = "".join(read_secret(path).split())
        text = text.rstrip("=").replace("+", "-").replace("/", "_")
        key = b64decode(text)
    except CertctlError as error:
        raise _unusable(path, error.message, error.hint) from error
    except ValueError:
        raise _unusable(path, "it is no base64") from None
    if not key:
        raise IssuerError(f"{path} holds no external account key: it is empty", transient=False)
    return text


def _unusable(path: str, why: str, hint: str | None = None) -> IssuerError:
    return IssuerError(
        f"cannot read the external account's key from {path}: {why}", hint or _HINT, transient=False
    )


def roll(client: Client, home: str, signer: Signer) -> Signer:
    """Give the account of *signer* a new key (RFC 8555 §7.3.5); return the new signer. Raises `IssuerError`.

    The new key is on disk before the CA hears of it, and takes the old one's place once the CA is seen to
    know it. In between nobody here can tell which of the two the CA goes by; `settle` asks.
    """
    url = client.directory().key_change
    if not url:
        raise IssuerError(f"{client.name} offers no change of the account's key", transient=False)
    path = accountfile.next_key_path(home)
    accountfile.write_key(path, accountfile.new_key())
    key = accountfile.read_key(path)
    assert key is not None
    inner = sign(Signer(key), url, dump({"account": signer.account, "oldKey": signer.public()}))
    try:
        client.post(url, signer, dict(inner), what="the new account key", accept=ANYTHING, repeatable=False)
    except RefusedError as refusal:
        if refusal.problem.status < 500:
            atomic.remove(path)
        raise
    if settle(client, home) is None:
        raise IssuerError(f"{client.name} answered the change of the account's key, but does not know it")
    return Signer(key, signer.account)


def settle(client: Client, home: str) -> JWK | None:
    """Find out what became of a rollover that did not end; return the new key where the CA knows it.

    None if no rollover was under way, or it had not reached the CA: then the new key is thrown away.
    """
    path = accountfile.next_key_path(home)
    key = accountfile.read_key(path)
    if key is None:
        return None
    try:
        client.post(
            client.directory().new_account,
            Signer(key),
            messages.NewRegistration(only_return_existing=True),
            what="the account's new key",
        )
    except RefusedError as refusal:
        if refusal.problem.code != "accountDoesNotExist":
            raise
        atomic.remove(path)
        return None
    _take(home)
    return key


def _take(home: str) -> None:
    atomic.move(accountfile.next_key_path(home), os.path.join(home, accountfile.KEY))
