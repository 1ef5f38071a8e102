"""Feeds that must not be believed: the map stays as it was, the exit status is 1, and the reason is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import World
from tests.unit.peers_world import NEXTHOP, Follower, Signer, b64, document, pin

COUNTED = "hostile inputs"


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """A host that has taken pins 1 and 2 from a feed with serial 10."""
    root = tmp_path / "world"
    root.mkdir()
    found = Follower(root, World(root, monkeypatch))
    found.publish(document(10))
    found.world.done("peers")
    assert found.pins() == [pin(1), pin(2)]
    return found


def test_replayed(follower: Follower) -> None:
    """An older feed is refused, however well it is signed, and the newest one is taken again afterwards."""
    old = follower.publish(document(11, 2, 3, 1))
    follower.world.done("peers")
    new = follower.publish(document(12, 2, 3))
    follower.world.done("peers")
    assert follower.pins() == [pin(2), pin(3)]
    follower.publish(old)
    assert follower.refused("serial 11, but 12 was seen already")
    follower.publish(new)
    follower.world.done("peers")


def test_serial_reset(follower: Follower) -> None:
    """A feed that begins to count anew is refused."""
    follower.publish(document(1, 1, 3))
    assert follower.refused("serial 1, but 10 was seen already")


def test_same_serial_with_other_content(follower: Follower) -> None:
    """Two feeds with one serial cannot both be the peer's last word."""
    follower.publish(document(10, 1, 3))
    assert follower.refused("has the serial of the one before, but says something else")


def test_expired(follower: Follower) -> None:
    """A feed that was good once is refused after its end; what was believed stays, and that is told."""
    past = datetime.now(timezone.utc) - timedelta(days=31)
    follower.publish(document(11, 1, 3, now=past))
    assert follower.refused("expired", "its pins stay as they were")


def test_expires_while_nothing_new_comes(follower: Follower) -> None:
    """A peer that stopped issuing its feed is told of once it is over; its pins stay."""
    follower.world.later(days=31)
    assert follower.refused("expired", "its pins stay as they were")
    assert follower.pins() == [pin(1), pin(2)]


def test_issued_in_the_future(follower: Follower) -> None:
    """A feed that was issued days ahead of this host's clock is refused: one of the clocks is wrong."""
    ahead = datetime.now(timezone.utc) + timedelta(days=3)
    follower.publish(document(11, 1, 3, now=ahead))
    assert follower.refused("is yet to come")


@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.9, 0.999])
def test_truncated(follower: Follower, part: float) -> None:
    """A feed that was cut anywhere is refused."""
    whole = follower.publish(document(11, 1, 3))
    follower.publish(whole[: int(len(whole) * part)])
    assert follower.refused("of mx.peer.example")


def test_changed_on_its_way(follower: Follower) -> None:
    """One changed pin breaks the signature."""
    head, payload, signature = follower.publish(document(11, 1, 3)).split(b".")
    told = base64.urlsafe_b64decode(payload + b"==").replace(pin(3).encode(), pin(9).encode())
    follower.publish(b".".join([head, b64(told).encode(), signature]))
    assert follower.refused("signature", "is wrong")


def test_signed_by_a_stranger(follower: Follower) -> None:
    """Another key is refused, though the feed carries it and verifies with it."""
    follower.publish(document(11, 1, 3), Signer())
    assert follower.refused("signed with another key")


def test_stranger_who_claims_to_be_the_peer(follower: Follower) -> None:
    """A stranger who names the peer's key in the header fails at the signature."""
    stranger = Signer()
    told = json.dumps(document(11, 1, 3)).encode()
    follower.publish(stranger.sign(told, kid=follower.signer.kid))
    assert follower.refused("signature", "is wrong")
    follower.publish(stranger.sign(told, kid=follower.signer.kid, jwk=follower.signer.jwk))
    assert follower.refused("signature", "is wrong")


def test_a_key_may_not_hand_itself_over(follower: Follower) -> None:
    """A stranger's handovers, signed by himself or copied from others, lead nowhere."""
    stranger, third = Signer(), Signer()
    handovers = [
        stranger.hand_over(stranger),
        third.hand_over(stranger),
        # Signed by the peer, but it is a feed and no handover.
        follower.signer.sign(
            json.dumps({"kind": "certctl-feed-key", "key": stranger.text}).encode()
        ).decode(),
        # The other way round: the peer's key is named by the stranger.
        stranger.hand_over(follower.signer),
        # The peer handed over to a third one, not to the stranger.
        follower.signer.hand_over(third),
        "not.a.jws",
        "",
    ]
    follower.publish(document(11, 1, 3, handovers=handovers), stranger)
    assert follower.refused("signed with another key")


def _unsigned(signer: Signer, payload: bytes) -> bytes:
    head = {"alg": "none", "kid": signer.kid, "typ": "certctl-pins"}
    return f"{b64(json.dumps(head).encode())}.{b64(payload)}.".encode()


def _keyed_with_the_public_key(signer: Signer, payload: bytes) -> bytes:
    """HS256 with what everybody knows as the secret (RFC 8725 §2.1)."""
    head = {"alg": "HS256", "kid": signer.kid, "typ": "certctl-pins"}
    message = f"{b64(json.dumps(head).encode())}.{b64(payload)}".encode()
    mac = hmac.new(signer.text.encode(), message, hashlib.sha256).digest()
    return message + b"." + b64(mac).encode()


def _empty_signature(signer: Signer, payload: bytes) -> bytes:
    return signer.sign(payload).rsplit(b".", 1)[0] + b"." + b64(bytes(64)).encode()


def _handover_as_feed(signer: Signer, payload: bytes) -> bytes:
    return signer.sign(payload, "certctl-feed-key")


def _critical_extension(signer: Signer, payload: bytes) -> bytes:
    return signer.sign(payload, crit=["b64"], b64=False)


@pytest.mark.parametrize(
    "forge",
    [_unsigned, _keyed_with_the_public_key, _empty_signature, _handover_as_feed, _critical_extension],
)
def test_forged(follower: Follower, forge: Callable[[Signer, bytes], bytes]) -> None:
    """The well-known ways around a JWS's signature lead nowhere."""
    follower.publish(forge(follower.signer, json.dumps(document(11, 1, 3)).encode()))
    assert follower.refused("of mx.peer.example")


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"<html>moved</html>", b"a.b", b"....", b"\xff\xfe.\x00.\x01", b"e30.e30.e30", b"." * 70000],
    ids=range(8),
)
def test_no_feed_at_all(follower: Follower, data: bytes) -> None:
    """Whatever a web server answers instead of the feed is refused."""
    follower.publish(data)
    assert follower.refused("of mx.peer.example")


def test_huge(follower: Follower) -> None:
    """A feed of more than a megabyte is not even parsed."""
    follower.publish(document(11, 1, 3, padding="x" * (1 << 20)))
    assert follower.refused("is larger than 1048576 bytes")


def test_valid_for_other_names(follower: Follower) -> None:
    """The peer's own feed of another host is refused: its pins are not for this next-hop."""
    told = document(11, 7, 8)
    told["certificates"][0] |= {"names": ["other.example"], "nexthops": ["[other.example]"]}
    follower.publish(told)
    assert follower.refused(f"says nothing of {NEXTHOP}", "other.example")


def test_no_current_pin(follower: Follower) -> None:
    """A feed that only knows what will be is refused: what is served would not be pinned."""
    told = document(11)
    told["certificates"][0]["pins"] = told["certificates"][0]["pins"][1:]
    follower.publish(told)
    assert follower.refused("has no current pin")


def test_dropping_the_last_pin(follower: Follower) -> None:
    """All pins changed at once: refused while the new ones are not seen to be served; --force takes it."""
    follower.publish(document(11, 7, 8))
    assert follower.refused("drops every pin that was known", "certctl peers sync --force")
    follower.world.done("peers", "--force")
    assert follower.pins() == [pin(7), pin(8)]


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "11"},
        {"serial": True},
        {"serial": 0},
        {"serial": 2**70},
        {"serial": None},
        {"version": 2},
        {"kind": "something"},
        {"issued_at": "yesterday"},
        {"expires_at": None},
        {"expires_at": "9999-12-31T23:59:59-12:00"},
        {"issued_at": "0001-01-01T00:00:00+12:00"},
        {"issued_at": "2026-01-01T00:00:00"},
        {"digests": ["md5"]},
        {"certificates": {}},
        {"certificates": [1]},
        {"certificates": [{}]},
        {"handovers": "x"},
    ],
    ids=str,
)
def test_signed_nonsense(follower: Follower, change: dict[str, Any]) -> None:
    """A signature promises no form: what is not understood is refused, without a traceback."""
    follower.publish({**document(11, 1, 3), **change})
    assert follower.refused("is signed, but not understood")


@pytest.mark.parametrize(
    "text",
    [
        "AA:BB",
        "aa" * 32,
        pin(0xAB).lower(),
        pin(3) + " match=" + pin(9),
        pin(3) + "\n[evil.example] fingerprint match=" + pin(9),
        pin(3)[:-2] + "GG",
        "",
        None,
        3,
    ],
    ids=range(9),
)
def test_nothing_but_fingerprints_gets_into_the_map(follower: Follower, text: object) -> None:
    """A pin that is more than one SHA-256 is refused: no attribute and no line can be smuggled in."""
    told = document(11)
    told["certificates"][0]["pins"][1]["sha256"] = text
    follower.publish(told)
    assert follower.refused("is signed, but not understood")


def test_a_failing_peer_keeps_the_others_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One peer's forged feed fails alone: the next one's pins get into the same map, in the same pass."""
    root = tmp_path / "world"
    root.mkdir()
    follower = Follower(root, World(root, monkeypatch))
    other = Signer()
    told = document(5, 21, 22)
    told["certificates"][0] |= {"names": ["b.example"], "nexthops": ["[b.example]"]}
    (root / "b.jws").write_bytes(other.sign(json.dumps(told).encode()))
    more = f'[peer."b.example"]\nfeed = "b.jws"\nkey = "{other.text}"\nmap = "tls_policy"\n'
    text = (root / "certctl.toml").read_text()
    (root / "certctl.toml").write_text(f"{text}\n{more}")
    follower.publish(document(1), Signer())
    ran = follower.world("run")
    assert ran.code == 1
    assert "mx.peer.example: the feed of mx.peer.example is signed with another key" in ran.err
    assert follower.map.read_text().splitlines()[1:-1] == [
        f"[b.example] fingerprint match={pin(21)} match={pin(22)}"
    ]
