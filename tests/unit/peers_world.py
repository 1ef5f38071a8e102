"""A peer that signs whatever feeds a test wants, and a host that follows it."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.support.world import World

NEXTHOP = "[mx.peer.example]"
CONFIG = """
[peer."mx.peer.example"]
feed = "feed.jws"
key = "{key}"
map = "tls_policy"
hooks = ["reload"]
"""


def pin(number: int) -> str:
    """A fingerprint, the same for the same number."""
    return ":".join([f"{number:02X}"] * 32)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """An ES256 key that signs with cryptography alone."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        self.x, self.y = (value.to_bytes(32, "big") for value in (numbers.x, numbers.y))

    @property
    def text(self) -> str:
        """As `certctl announce --key` prints it."""
        return f"p256:{b64(self.x + self.y)}"

    @property
    def jwk(self) -> dict[str, str]:
        return {"crv": "P-256", "kty": "EC", "x": b64(self.x), "y": b64(self.y)}

    @property
    def kid(self) -> str:
        """RFC 7638."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode())
        return b64(digest.finalize())

    def sign(self, payload: bytes, kind: str = "certctl-pins", **header: Any) -> bytes:
        """A compact JWS; *header* overrides what would be in it."""
        head = {"alg": "ES256", "kid": self.kid, "jwk": self.jwk, "typ": kind, **header}
        message = f"{b64(json.dumps(head).encode())}.{b64(payload)}"
        r, s = decode_dss_signature(self.private.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{message}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}".encode()

    def hand_over(self, to: Signer) -> str:
        """This key says that *to* takes its place."""
        note = {"kind": "certctl-feed-key", "version": 1, "key": to.text, "issued_at": "2026-01-01T00:00:00Z"}
        return self.sign(json.dumps(note).encode(), "certctl-feed-key").decode()


def document(
    serial: int = 1,
    current: int = 1,
    next_: int | None = 2,
    previous: int | None = None,
    *,
    now: datetime | None = None,
    **other: Any,
) -> dict[str, Any]:
    """A feed's payload; pins by number. *other* overrides members of it."""
    now = now or datetime.now(timezone.utc)
    slots = {"current": current, "next": next_, "previous": previous}
    pins = [
        {"slot": slot, "generation": number, "algorithm": "ecdsa-p256", "sha256": pin(number)}
        for slot, number in slots.items()
        if number is not None
    ]
    entry = {
        "name": "mx",
        "names": ["mx.peer.example"],
        "nexthops": [NEXTHOP],
        "pin": "key",
        "hold_down": 604800,
        "pins": pins,
    }
    return {
        "version": 1,
        "kind": "certctl-pins",
        "serial": serial,
        "issued_at": (now - timedelta(minutes=1)).isoformat(),
        "expires_at": (now + timedelta(days=30)).isoformat(),
        "digests": ["sha256"],
        "certificates": [entry],
        "handovers": [],
        **other,
    }


class Follower:
    """A host with one peer."""

    def __init__(self, root: Path, world: World) -> None:
        self.world = world
        self.signer = Signer()
        self.feed = root / "feed.jws"
        self.map = root / "tls_policy"
        world.configure(CONFIG.format(key=self.signer.text))

    def publish(self, told: dict[str, Any] | bytes | None = None, signer: Signer | None = None) -> bytes:
        """Put a feed where it is fetched from: a payload to be signed, or what it is whole."""
        told = document() if told is None else told
        signed = told if isinstance(told, bytes) else (signer or self.signer).sign(json.dumps(told).encode())
        self.feed.write_bytes(signed)
        return signed

    def pins(self) -> list[str]:
        """The pins in the map, sorted, of its one line."""
        lines = [line for line in self.map.read_text().splitlines() if not line.startswith("#")]
        assert len(lines) == 1
        words = lines[0].split()
        assert words[:2] == [NEXTHOP, "fingerprint"]
        return [word.removeprefix("match=") for word in words[2:]]

    def refused(self, *words: str) -> bool:
        """A sync fails with *words*, and the map is what it was, to the byte and the inode."""
        before = (self.map.read_bytes(), self.map.stat()) if self.map.exists() else None
        ran = self.world("peers")
        assert ran.code == 1, ran
        assert [word for word in words if word not in ran.err] == [], ran.err
        after = (self.map.read_bytes(), self.map.stat()) if self.map.exists() else None
        assert before == after
        return True
