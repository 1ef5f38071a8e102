"""The account on disk: key and registration, below the issuer's home (0700)."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from josepy.jwk import JWK

from certctl.errors import StateError
from certctl.issuers.acme.signing import load_key
from certctl.store import atomic

KEY = "account.key"
NEXT_KEY = "account.key.next"
"""There while a key rollover is under way, and its outcome not yet known."""
REGISTRATION = "account.json"


class Registration(NamedTuple):
    """What the CA was told, and what it answered."""

    directory: str
    url: str
    contact: tuple[str, ...]
    """As it was last sent: some CAs keep no contacts and answer with none."""
    deactivated: bool = False


def key_path(home: str) -> str:
    return os.path.join(home, KEY)


def next_key_path(home: str) -> str:
    return os.path.join(home, NEXT_KEY)


def registration_path(home: str) -> str:
    return os.path.join(home, REGISTRATION)


def new_key() -> bytes:
    """Return a new P-256 key, PKCS #8 PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(path: str) -> JWK | None:
    """Return the key in *path*; None if there is no such file."""
    data = _read(path)
    return None if data is None else load_key(data, path)


def write_key(path: str, pem: bytes) -> None:
    """Durably write a key, 0600; its directory is made, 0700."""
    atomic.make_directory(os.path.dirname(path))
    atomic.write(path, pem, 0o600)


def read_registration(home: str) -> Registration | None:
    """Return the registration; None if there is none yet. Raises `StateError`."""
    path = registration_path(home)
    data = _read(path)
    if data is None:
        return None
    try:
        found = json.loads(data)
        return Registration(
            str(found["directory"]),
            str(found["url"]),
            tuple(found["contact"]),
            bool(found.get("deactivated")),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(
            f"{path} does not hold an ACME registration",
            f"move it away: the account is looked up by {KEY} again",
        ) from error


def write_registration(home: str, registration: Registration) -> None:
    """Durably write the registration, 0600."""
    text = json.dumps(registration._asdict(), indent=2) + "\n"
    atomic.write(registration_path(home), text.encode(), 0o600)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
