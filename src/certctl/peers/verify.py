"""Is a feed what the peer signed? Here bytes from outside become something that is believed."""

from __future__ import annotations

import json
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from josepy.b64 import b64decode, b64encode
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.jws import JWS

from certctl.errors import CertctlError
from certctl.planning import feed
from certctl.planning.feed import HANDOVER, KIND, Feed

TYPE = "application/"
_GARBAGE = (JoseError, ValueError, TypeError, LookupError, AssertionError, AttributeError, RecursionError)
"""What josepy raises for bytes that are no JWS, besides its own errors."""


class FeedError(CertctlError):
    """A feed that is not believed."""


class Verified(NamedTuple):
    """A feed, and the key that it was signed with."""

    feed: Feed
    key: str
    """As `certctl announce --key` prints it: the one that was trusted, or what it handed over to."""
    payload: bytes


def verify(data: bytes, key: str, where: str) -> Verified:
    """Check the signature of the feed *data* against the trusted *key*. Raises FeedError.

    A feed of another key is believed only if the trusted one, or one that it
    handed over to, signed that the other takes its place.
    """
    signed = _compact(data, where)
    try:
        trusted = _jwk(key)
    except ValueError as error:
        raise FeedError(
            f"the key to check the feed {where} with is none: {error}",
            "ask the peer for what `certctl announce --key` prints there",
            transient=False,
        ) from error
    new = signed.signature.combined.kid
    if new == thumbprint(trusted):
        return Verified(_payload(signed, trusted, where), key, signed.payload)
    for successor in _successors(signed, key, where):
        if thumbprint(_jwk(successor)) == new:
            return Verified(_payload(signed, _jwk(successor), where), successor, signed.payload)
    raise FeedError(
        f"the feed {where} is signed with another key than the one that is trusted",
        "if the peer says that it lost its key: ask for what `certctl announce --key` prints there, and put "
        "that into key of the peer",
        transient=False,
    )


def first_key(data: bytes, where: str) -> str:
    """The key that a feed says it is signed with, and is; whether it is the peer's a person must say."""
    signed = _compact(data, where)
    jwk = signed.signature.combined.jwk
    if not isinstance(jwk, JWKEC):
        raise FeedError(f"the feed {where} does not carry its key", "is it a feed of certctl?")
    try:
        text = _text(jwk)
    except _GARBAGE as error:
        raise FeedError(f"the feed {where} carries a key that is no P-256 key") from error
    _payload(signed, _jwk(text), where)
    return text


def fingerprint(key: str) -> str:
    """SHA-256 of a feed key's SubjectPublicKeyInfo, "AA:BB:…", for people to compare. Raises ValueError."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = _public(key).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest().hex(":").upper()


def thumbprint(key: JWKEC) -> str:
    """RFC 7638 in base64url."""
    return b64encode(key.thumbprint()).decode()


def _compact(data: bytes, where: str) -> JWS:
    """Take the compact JWS (RFC 7515 §7.1) apart; only ES256, and only what claims to be a feed."""
    text = data.strip()
    try:
        signed = JWS.from_compact(text)
        header = signed.signature.combined
        sound = header.alg == ES256 and len(signed.signature.signature) == 64
        typ = str(header.typ)
    except _GARBAGE as error:
        what = text[:40].decode("ascii", "replace")
        raise FeedError(f"the feed {where} is no signed document: it begins with {what!r}") from error
    if not sound or typ != TYPE + KIND:
        raise FeedError(f"the feed {where} is no feed of pins, but {typ} signed with {header.alg}")
    return signed


def _payload(signed: JWS, key: JWKEC, where: str) -> Feed:
    if not signed.verify(key):
        raise FeedError(
            f"the signature of the feed {where} is wrong: it was changed on its way, or cut short"
        )
    try:
        return feed.parse(signed.payload)
    except feed.MalformedFeedError as error:
        raise FeedError(f"the feed {where} is signed, but not understood: {error}") from error


def _successors(signed: JWS, key: str, where: str) -> list[str]:
    """The keys that *key* handed over to, one after the other, each signed by the one before."""
    try:
        told = feed.parse(signed.payload).handovers
    except feed.MalformedFeedError as error:
        raise FeedError(f"the feed {where} is signed by a stranger, and not understood: {error}") from error
    found: list[str] = []
    for text in told:
        named = _handed_over(text, found[-1] if found else key)
        if named is not None and named not in found:
            found.append(named)
    return found


def _handed_over(text: str, key: str) -> str | None:
    """The key that a handover names, if *key* signed it."""
    trusted = _jwk(key)
    try:
        signed = JWS.from_compact(text.encode("ascii"))
        header = signed.signature.combined
        if header.alg != ES256 or str(header.typ) != TYPE + HANDOVER or header.kid != thumbprint(trusted):
            return None
        if not signed.verify(trusted):
            return None
        note = json.loads(signed.payload)
        if note["kind"] != HANDOVER:
            return None
        named = str(note["key"])
        _jwk(named)
    except _GARBAGE:
        return None
    return named


def _jwk(text: str) -> JWKEC:
    """Raises ValueError."""
    return JWKEC(key=_public(text))


def _public(text: str) -> ec.EllipticCurvePublicKey:
    point = feed.key_point(text)
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big"), ec.SECP256R1()
    )
    return numbers.public_key()


def _text(key: JWKEC) -> str:
    public = key.public_key().to_json()
    if public["crv"] != "P-256":
        raise ValueError("no P-256 key")
    return feed.key_text(b"".join(b64decode(public[name].encode()).rjust(32, b"\0") for name in ("x", "y")))
