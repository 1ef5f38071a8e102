"""Signed requests: flattened JWS (RFC 7515 §7.2.2) with ACME's header (RFC 8555 §6.2), and their nonces."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from certctl.errors import IssuerError

_CURVES = {"secp256r1": ES256, "secp384r1": ES384, "secp521r1": ES512}


class Signer(NamedTuple):
    """A key, and who it is to the CA."""

    key: JWK
    account: str | None = None
    """The account's URL, for the header's `kid`; None puts the public key there instead."""

    def thumbprint(self) -> str:
        """Return the key's RFC 7638 thumbprint in base64url."""
        return b64(self.key.thumbprint())

    def public(self) -> dict[str, Any]:
        """Return the public key as a JWK."""
        found: dict[str, Any] = self.key.public_key().to_json()
        return found


def load_key(pem: bytes, what: str) -> JWK:
    """Return the JWK of an RSA or EC private key. Raises `IssuerError`, which says *what* it is not.

    Not by josepy's own loader: that takes a damaged file for a symmetric key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IssuerError(
            f"{what} holds no private key that can be read: {error}", transient=False
        ) from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return JWKEC(key=key)
    if isinstance(key, rsa.RSAPrivateKey):
        return JWKRSA(key=key)
    raise IssuerError(f"{what} is of a kind that ACME requests are not signed with here", transient=False)


def sign(signer: Signer, url: str, payload: bytes, nonce: str | None = None) -> dict[str, str]:
    """Return the flattened JWS of *payload* for *url*; *nonce* is left out where it is None (§7.3.5)."""
    algorithm = _algorithm(signer.key)
    header: dict[str, Any] = {"alg": algorithm.name, "url": url}
    header |= {"nonce": nonce} if nonce else {}
    header |= {"kid": signer.account} if signer.account else {"jwk": signer.public()}
    protected, body = b64(dump(header)), b64(payload)
    signature = algorithm.sign(signer.key.key, f"{protected}.{body}".encode())
    return {"protected": protected, "payload": body, "signature": b64(signature)}


def dump(document: Mapping[str, Any]) -> bytes:
    """Return *document* as JSON without blanks."""
    return json.dumps(document, separators=(",", ":")).encode()


def b64(data: bytes) -> str:
    """Return base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _algorithm(key: JWK) -> JWASignature:
    if isinstance(key, JWKEC):
        return _CURVES[key.key.curve.name]
    return RS256


_NONCE = re.compile(r"[A-Za-z0-9_-]+")
KEPT = 64


class NoncePool:
    """Unused nonces, the freshest first: CAs forget old ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonces: deque[str] = deque(maxlen=KEPT)

    def put(self, nonce: str | None) -> None:
        """Keep a nonce that came with an answer; what is no base64url is dropped (§6.5.1).

        It is kept as it was spelled: decoding and encoding it again would change
        those of CAs whose last character carries unused bits.
        """
        if nonce and _NONCE.fullmatch(nonce):
            with self._lock:
                self._nonces.append(nonce)

    def take(self) -> str | None:
        """Return a nonce that nobody else gets, if there is one."""
        with self._lock:
            return self._nonces.pop() if self._nonces else None
