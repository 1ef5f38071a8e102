"""The key that a feed is signed with: made once, handed over by its own signature, never lost unnoticed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.b64 import b64decode, b64encode
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from josepy.jws import JWS

from certctl.announce import memory
from certctl.announce.feedhome import ISSUED, KEY_FILE, is_lost, lost
from certctl.errors import StateError
from certctl.planning.feed import HANDOVER, KIND, MOST_HANDOVERS, key_text
from certctl.planning.times import rfc3339
from certctl.store import atomic, outputs
from certctl.system import files

TYPE = "application/"
HANDOVERS = "handovers.json"


class FeedKey(NamedTuple):
    """A private key, and how those who know an older one get to it."""

    jwk: JWKEC
    handovers: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """Thumbprints of keys that it takes the place of without their signature: a person said so."""

    @property
    def text(self) -> str:
        """The public key, as a peer's `key` wants it."""
        return key_text(_point(self.jwk))


def load(home: str, published: bytes | None) -> FeedKey:
    """The key of the feed whose directory is *home*; made if there never was one. Raises CertctlError.

    *published* is what lies where the feed belongs: a feed there had a key once.
    """
    path = os.path.join(home, KEY_FILE)
    pem = files.read_file(path)
    if pem is None:
        if is_lost(home) or signer(published) is not None:
            raise lost(home)
        jwk = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        _save(home, jwk)
        return FeedKey(jwk)
    try:
        found = JWK.load(pem)
    except (JoseError, ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from error
    # What is no PEM at all josepy takes for a symmetric key.
    if not isinstance(found, JWKEC) or found.to_json()["crv"] != "P-256":
        raise _damaged(path, "it is no P-256 key")
    note = memory.load(os.path.join(home, HANDOVERS))
    return FeedKey(found, _leading_to(found, _texts(note, "handovers")), tuple(_texts(note, "replaced")))


class Signer(NamedTuple):
    """Who signed a feed."""

    thumbprint: str
    serial: int


def signer(data: bytes | None) -> Signer | None:
    """Who signed the feed *data*, whose signature is right; None where it is no feed."""
    try:
        signed = JWS.from_compact((data or b"").strip())
        header = signed.signature.combined
        jwk = header.jwk if str(header.typ) == TYPE + KIND else None
        if not isinstance(jwk, JWKEC) or not signed.verify(jwk):
            return None
        return Signer(thumbprint(jwk), memory.number(json.loads(signed.payload)["serial"]))
    except (JoseError, ValueError, TypeError, LookupError, AssertionError, AttributeError, RecursionError):
        # What josepy raises for bytes that are no JWS.
        return None


def is_own(key: FeedKey, found: Signer) -> bool:
    """Whether *key*, or one that it took the place of, is the one that was *found*."""
    before = [JWS.from_compact(text.encode()).signature.combined.kid for text in key.handovers]
    return found.thumbprint in (thumbprint(key.jwk), *key.replaced, *before)


def _damaged(path: str, why: str) -> StateError:
    name = os.path.basename(os.path.dirname(path))
    return StateError(
        f"{path} is damaged: {why}",
        f"bring it back from a backup; else move it away, make another, which peers have to be told of: "
        f"certctl announce --new-key {name}",
    )


def replace(home: str, now: datetime, published: bytes | None) -> FeedKey:
    """Make a new key, named by the one before for the peers that know only that. Raises CertctlError.

    One that is lost can name no other, nor can a stranger's that signed what is
    *published*: peers have to be told.
    """
    there = outputs.lstat(os.path.join(home, KEY_FILE)) is not None
    found = signer(published)
    old = load(home, published) if there or (found is None and not is_lost(home)) else None
    new = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    handovers = [] if old is None else _handed_over(old, new, now)
    replaced = list(old.replaced) if old is not None else []
    if found is not None and (old is None or not is_own(old, found)):
        replaced.append(found.thumbprint)
    # First the way to the new key, then the key: a crash between leaves a way
    # that leads nowhere, which is left out when it is read.
    note = {"version": 1, "handovers": handovers, "replaced": replaced[-MOST_HANDOVERS:]}
    memory.save(os.path.join(home, HANDOVERS), note)
    _save(home, new)
    issued = memory.load(os.path.join(home, ISSUED))
    if issued:
        memory.save(os.path.join(home, ISSUED), {**issued, "renew_at": issued.get("issued_at")})
    return FeedKey(new, tuple(handovers), tuple(replaced))


def _handed_over(old: FeedKey, new: JWKEC, now: datetime) -> list[str]:
    """The handovers that lead to *new*, the last one signed by *old*."""
    handover = {
        "kind": HANDOVER,
        "version": 1,
        "key": key_text(_point(new)),
        "issued_at": rfc3339(now),
    }
    signed = sign(old.jwk, json.dumps(handover, separators=(",", ":")).encode(), HANDOVER)
    return [*old.handovers, signed.decode()][-MOST_HANDOVERS:]


def sign(key: JWKEC, payload: bytes, kind: str) -> bytes:
    """A compact JWS (RFC 7515 §7.1), ES256, that carries its public key and says what it is."""
    protect = frozenset({"alg", "kid", "jwk", "typ"})
    signed = JWS.sign(payload, key=key, alg=ES256, kid=thumbprint(key), typ=TYPE + kind, protect=protect)
    return signed.to_compact()


def thumbprint(key: JWKEC) -> str:
    """The key's RFC 7638 thumbprint in base64url."""
    return b64encode(key.thumbprint()).decode()


def _save(home: str, key: JWKEC) -> None:
    pem = key.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    atomic.make_directory(home)
    atomic.write(os.path.join(home, KEY_FILE), pem, 0o600)


def _texts(note: Mapping[str, Any], name: str) -> list[str]:
    found = note.get(name)
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _leading_to(key: JWKEC, handovers: list[str]) -> tuple[str, ...]:
    """The handovers up to the last one that names *key*."""
    text = key_text(_point(key))
    while handovers:
        try:
            named = json.loads(JWS.from_compact(handovers[-1].encode()).payload).get("key")
        except (JoseError, ValueError, AttributeError, AssertionError):
            named = None
        if named == text:
            break
        handovers = handovers[:-1]
    return tuple(handovers)


def _point(key: JWKEC) -> bytes:
    public = key.public_key().to_json()
    return b"".join(b64decode(public[name].encode()).rjust(32, b"\0") for name in ("x", "y"))
