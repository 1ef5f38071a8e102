"""Orders at a real Pebble: profiles, chains, what is replaced, what is gone on with, what is revoked."""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509

from certctl.errors import CertctlError
from certctl.issuers.acme.certificate import not_after
from certctl.planning.times import rfc3339
from certctl.store.keys import generate
from tests.real.acme_world import World, checked, serial, top_issuer
from tests.real.servers.pebble import pebble
from tests.real.servers.require import missing
from tests.real.servers.start import Start

PROFILES = {
    "classic": {"description": "90 days", "validityPeriod": 90 * 86400},
    "shortlived": {"description": "6 days", "validityPeriod": 6 * 86400},
}


@pytest.fixture
def world(start: Start, scratch: str) -> World:
    found = World(
        start(pebble, nonce_reject=20, profiles=PROFILES, alternate_roots=2, chain_length=2), scratch
    )
    if not found.pebble.has_profiles or not found.pebble.has_renewal_info:
        missing("this Pebble has no profiles or no renewalInfo", "tests/run unpacks a newer one")
    return found


def lifetime(pem: bytes) -> timedelta:
    found = x509.load_pem_x509_certificate(pem)
    return found.not_valid_after_utc - found.not_valid_before_utc


def test_profile(world: World) -> None:
    """The profile that is configured is ordered; one that the CA does not list is refused with its list."""
    request = world.request("p.example.test")
    issued = checked(world.issuer(profile="shortlived").issue(request), request)
    assert timedelta(days=5) < lifetime(issued.chain[0]) < timedelta(days=7)
    with pytest.raises(CertctlError, match="no profile 'tlsserver'") as caught:
        world.issuer(profile="tlsserver").issue(world.request("p.example.test"))
    assert caught.value.hint == "it offers classic, shortlived"


def test_preferred_chain(world: World) -> None:
    """The alternate whose root has the wanted name is taken; where none has it, the CA's default."""
    request = world.request("c.example.test")
    default = checked(world.issuer().issue(request), request, world.pebble.root(0))
    roots = [x509.load_pem_x509_certificate(world.pebble.root(n)).subject for n in range(3)]
    assert top_issuer(default) == roots[0].rfc4514_string()
    name = str(roots[2].get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    request = world.request("c.example.test", certificate="other")
    other = checked(world.issuer(preferred_chain=name).issue(request), request, world.pebble.root(2))
    assert top_issuer(other) == roots[2].rfc4514_string()
    request = world.request("c.example.test", certificate="unknown")
    unknown = world.issuer(preferred_chain="Nobody's Root").issue(request)
    assert top_issuer(unknown) == top_issuer(default)


def test_renewal_keeps_the_key_and_names_what_it_replaces(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal says `replaces`; the second for the same place is refused that, and gets through."""
    caplog.set_level(logging.INFO, "certctl.acme")
    key = generate("ecdsa-p256")
    request = world.request("r.example.test", key_pem=key)
    first = world.issuer().issue(request)
    world.issuer().finish(request)
    renewal = world.request("r.example.test", key_pem=key, replaces=first.chain[0])
    second = checked(world.issuer().issue(renewal), renewal)
    world.issuer().finish(renewal)
    assert serial(second.chain[0]) != serial(first.chain[0])
    assert "without naming what it replaces" not in caplog.text
    third = checked(world.issuer().issue(renewal), renewal)
    assert serial(third.chain[0]) != serial(second.chain[0])
    assert "alreadyReplaced" in caplog.text
    assert caplog.text.count("without naming what it replaces") == 1


def test_replacing_a_stranger(start: Start, scratch: str, world: World) -> None:
    """The certificate of another CA cannot be named as replaced; the order is placed without."""
    other = World(start(pebble), os.path.join(scratch, "other"))
    request = other.request("s.example.test")
    foreign = other.issuer().issue(request)
    renewal = world.request("s.example.test", key_pem=request.key_pem, replaces=foreign.chain[0])
    checked(world.issuer().issue(renewal), renewal, world.pebble.root())


def test_finished_order_is_not_taken_for_the_next(world: World) -> None:
    """A note that outlived its certificate (a crash before `finish`) never yields that certificate again."""
    request = world.request("f.example.test")
    first = world.issuer().issue(request)
    again = world.issuer().issue(request)
    assert serial(again.chain[0]) == serial(first.chain[0]), "it was not kept: it is fetched again"
    renewal = request._replace(replaces=first.chain[0])
    assert serial(world.issuer().issue(renewal).chain[0]) != serial(first.chain[0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"key_pem": generate("ecdsa-p256")}, "another key"),
        ({"names": ("o1.example.test", "o2.example.test")}, "other names"),
    ],
)
def test_other_wishes_make_another_order(
    world: World, caplog: pytest.LogCaptureFixture, change: dict[str, object], reason: str
) -> None:
    """An order is gone on with only for the same key and names; why not is logged."""
    caplog.set_level(logging.INFO, "certctl.acme")
    request = world.request("o1.example.test")
    world.issuer().issue(request)
    changed = request._replace(**change)  # type: ignore[arg-type]
    checked(world.issuer().issue(changed), changed)
    assert f"cannot be gone on with: it is for {reason}" in caplog.text


def test_failed_validation(start: Start, scratch: str) -> None:
    """All names that failed are there with the CA's words, and the dead order is forgotten."""
    world = World(start(pebble, nonce_reject=20), scratch)
    for name in ("bad1.example.test.", "bad2.example.test."):
        world.pebble.dns("add-a", host=name, addresses=["127.0.0.77"])
    request = world.request("good.example.test", "bad1.example.test", "bad2.example.test")
    with pytest.raises(CertctlError, match="could not validate bad") as caught:
        world.issuer().issue(request)
    assert "127.0.0.77" in caught.value.message
    assert "(connection)" in caught.value.message
    assert "firewall" in str(caught.value.hint)
    assert os.listdir(request.work_dir) == []


def test_rejected_identifier(start: Start, scratch: str) -> None:
    """A name that the CA never issues for is no matter of waiting; the subproblem names it."""
    world = World(start(pebble, blocklist=["blocked.example.test"]), scratch)
    with pytest.raises(CertctlError, match=r"blocked\.example\.test") as caught:
        world.issuer().issue(world.request("fine.example.test", "blocked.example.test"))
    assert "(rejectedIdentifier)" in caught.value.message
    assert not caught.value.transient


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "rsa-2048", "ecdsa-p384"])
def test_revoke(start: Start, scratch: str, with_key: bool, algorithm: str) -> None:
    """By the account, or with the certificate's key from a home that knows no account; twice is once."""
    world = World(start(pebble, nonce_reject=20), scratch)
    request = world.request("v.example.test", algorithm=algorithm)
    leaf = world.issuer().issue(request).chain[0]
    revoker = world.issuer("issuers/stranger") if with_key else world.issuer()
    revoker.revoke(leaf, request.key_pem if with_key else None, "superseded")
    revoker.revoke(leaf, request.key_pem if with_key else None, "superseded")
    answer = world.pebble.get(f"{world.pebble.management_url}/cert-status-by-serial/{serial(leaf):x}")
    assert json.loads(answer)["Status"] == "Revoked"
    if with_key:
        assert not os.path.exists(os.path.join(scratch, "issuers/stranger/account.key"))


def test_renewal_info(world: World) -> None:
    """One moment of the window is chosen and stays while the window does; a revocation makes it now."""
    issuer = world.issuer()
    request = world.request("a.example.test")
    leaf = issuer.issue(request).chain[0]
    now = datetime.now(timezone.utc)
    lives = not_after(leaf) - now  # Pebble chooses among its profiles: 90 days, or 6
    start, end = now + lives / 2, now + lives * 0.6
    window = {
        "suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)},
        "explanationURL": "https://x.test/",
    }
    world.pebble.set_renewal_info(leaf.decode(), window)
    first = issuer.renewal_info(leaf, None, now)
    assert first is not None
    assert first.window_start <= first.renew_at <= first.window_end
    assert first.explanation_url == "https://x.test/"
    assert first.check_at > now
    assert issuer.renewal_info(leaf, first, now) is first, "not asked before its time"
    later = first.check_at + timedelta(seconds=1)
    second = issuer.renewal_info(leaf, first, later)
    assert second is not None
    assert second.renew_at == first.renew_at
    assert second.check_at > later
    issuer.revoke(leaf, None, "keyCompromise")
    world.pebble.set_renewal_info(
        leaf.decode(),
        {"suggestedWindow": {"start": rfc3339(now - timedelta(days=2)), "end": rfc3339(now)}},
    )
    revoked = issuer.renewal_info(leaf, second, second.check_at)
    assert revoked is not None
    assert revoked.renew_at <= second.check_at
    assert issuer.renewal_info(leaf, revoked, revoked.check_at).renew_at == revoked.renew_at  # type: ignore[union-attr]


def test_renewal_info_of_a_stranger(start: Start, scratch: str, world: World) -> None:
    """A certificate that the CA does not know gets no advice, and neither does one whose time is over."""
    other = World(start(pebble), os.path.join(scratch, "other"))
    leaf = other.issuer().issue(other.request("s.example.test")).chain[0]
    now = datetime.now(timezone.utc)
    assert world.issuer().renewal_info(leaf, None, now) is None
    assert other.issuer().renewal_info(leaf, None, now + timedelta(days=365)) is None
    assert other.issuer(ari=False).renewal_info(leaf, None, now) is None
