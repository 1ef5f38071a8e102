"""A new key for the account (RFC 8555 §7.3.5), such that no crash loses the account.

The new key is on disk before the CA hears of it, and takes the old one's place once the CA is seen to
know it. In between nobody here can tell which of the two the CA goes by; `settle` asks.
"""

from __future__ import annotations

import os

from josepy.jwk import JWK

from certctl.errors import IssuerError
from certctl.issuers.acme import accountfile
from certctl.issuers.acme.client import ANYTHING, Client
from certctl.issuers.acme.jws import Signer, dump, sign
from certctl.issuers.acme.problem import RefusedError
from certctl.store import atomic


def roll(client: Client, home: str, signer: Signer) -> Signer:
    """Give the account of *signer* a new key; return the new signer. Raises `IssuerError`."""
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
            {"onlyReturnExisting": True},
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
