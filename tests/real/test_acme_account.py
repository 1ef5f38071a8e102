"""The account at a real Pebble: made, bound, changed, given another key, lost and given up."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.issuer import account_deactivate, account_rollover, account_show
from tests.real.acme_world import World, account, checked
from tests.real.servers.pebble import pebble
from tests.real.servers.scratch import write
from tests.real.servers.start import Start


@pytest.fixture
def world(start: Start, scratch: str) -> World:
    return World(start(pebble, nonce_reject=20), scratch)


def test_made_once(world: World) -> None:
    """The first use makes the account, its files are 0600, and later processes go on with it."""
    first = account(world.issuer())
    assert (first.status, first.contact) == ("valid", ("mailto:hostmaster@example.test",))
    home = os.path.join(world.directory, "issuers/ca")
    assert {os.stat(os.path.join(home, name)).st_mode & 0o777 for name in os.listdir(home)} == {0o600}
    assert os.stat(home).st_mode & 0o777 == 0o700
    assert account(world.issuer()).url == first.url
    os.unlink(os.path.join(home, "account.json"))
    assert account(world.issuer()).url == first.url, "the CA finds the account by its key"


def test_no_account_yet(world: World) -> None:
    """Looking at an account does not make one."""
    for look in (account_show, account_rollover, account_deactivate):
        with pytest.raises(CertctlError, match="issuer ca has no account yet"):
            look(world.issuer())
    assert not os.path.exists(os.path.join(world.directory, "issuers/ca"))


def test_contacts_follow_the_configuration(world: World) -> None:
    """Other addresses are told to the CA at the next use, and so is their end."""
    account(world.issuer())
    both = ("a@example.test", "b@example.test")
    assert account(world.issuer(email=both)).contact == (
        "mailto:a@example.test",
        "mailto:b@example.test",
    )
    assert account(world.issuer(email=())).contact == ()


def test_terms_of_service(world: World) -> None:
    """Without agree_tos nothing is sent; the message says where the terms are and what to write."""
    with pytest.raises(CertctlError, match="terms of service") as caught:
        account(world.issuer(agree_tos=False))
    assert "agree_tos = true in [issuer.ca]" in str(caught.value.hint)
    assert not caught.value.transient


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_external_account_binding(start: Start, scratch: str, algorithm: str) -> None:
    """A CA that wants an external account gets its binding, with every MAC algorithm."""
    mac = base64.urlsafe_b64encode(os.urandom(64)).decode()
    world = World(start(pebble, nonce_reject=20, eab={"kid-1": mac.rstrip("=")}), scratch)
    key = write(os.path.join(scratch, "eab.key"), mac + "\n", 0o600)
    issuer = world.issuer(eab_kid="kid-1", eab_hmac_key_file=key, eab_algorithm=algorithm)
    request = world.request("eab.example.test")
    checked(issuer.issue(request), request, world.pebble.root())


def test_external_account_binding_refused(start: Start, scratch: str) -> None:
    """A missing, an unreadable and a wrong binding are each said as such."""
    mac = base64.urlsafe_b64encode(os.urandom(33)).decode()
    world = World(start(pebble, eab={"kid-1": mac}), scratch)
    with pytest.raises(CertctlError, match="wants an external account binding"):
        account(world.issuer())
    with pytest.raises(CertctlError, match="cannot read the external account's key"):
        account(world.issuer(eab_kid="kid-1", eab_hmac_key_file="/nonexistent"))
    wrong = write(os.path.join(scratch, "eab.key"), base64.b64encode(os.urandom(32)), 0o600)
    with pytest.raises(CertctlError, match="refused the account: external account binding"):
        account(world.issuer(eab_kid="kid-1", eab_hmac_key_file=wrong))


def test_rollover(world: World) -> None:
    """The account stays, its key is another, and orders go on with it, in this process and the next."""
    issuer = world.issuer()
    before = account(issuer)
    after = account_rollover(issuer)
    assert after.url == before.url
    assert after.thumbprint != before.thumbprint
    request = world.request("r1.example.test")
    checked(issuer.issue(request), request)
    assert account(world.issuer()) == after
    assert not os.path.exists(os.path.join(world.directory, "issuers/ca/account.key.next"))


def test_lost_account(start: Start, scratch: str) -> None:
    """A CA that has forgotten the account (a test CA, started anew) gets it again by the same key."""
    world = World(start(pebble), scratch)
    account(world.issuer())
    key = Path(scratch, "issuers/ca/account.key").read_bytes()
    other = World(start(pebble), scratch)
    registration = Path(scratch, "issuers/ca/account.json")
    moved = registration.read_text().replace(world.pebble.directory_url, other.pebble.directory_url)
    registration.write_text(moved.replace(world.pebble.directory_url[:-4], other.pebble.directory_url[:-4]))
    request = other.request("lost.example.test")
    checked(other.issuer().issue(request), request, other.pebble.root())
    assert Path(scratch, "issuers/ca/account.key").read_bytes() == key


def test_another_directory(start: Start, scratch: str) -> None:
    """An issuer that is pointed at another CA registers its key there."""
    first, second = World(start(pebble), scratch), World(start(pebble), scratch)
    one, other = account(first.issuer()), account(second.issuer())
    assert (one.thumbprint, one.directory != other.directory) == (other.thumbprint, True)


def test_deactivate(world: World) -> None:
    """A deactivated account is not silently replaced: what to type for a new one is said."""
    issuer = world.issuer()
    account(issuer)
    account_deactivate(issuer)
    for again in (issuer, world.issuer()):
        with pytest.raises(CertctlError, match="was deactivated") as caught:
            again.issue(world.request("gone.example.test"))
    for path in str(caught.value.hint).partition("rm ")[2].split():
        os.unlink(path)
    request = world.request("gone.example.test")
    checked(world.issuer().issue(request), request)


def test_made_once_by_many(world: World) -> None:
    """Issuers that were made twice for one home, and asked at once, agree on one account."""
    issuers = [world.issuer() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert len({found.url for found in pool.map(account, issuers)}) == 1
