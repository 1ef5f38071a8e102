"""Transaction keys (RFC 8945), as tsig-keygen(8) prints them and as named.conf includes them."""

from __future__ import annotations

import base64
import re
from typing import TypedDict

from certctl.errors import CertctlError
from certctl.system.secret import read_secret

_ALGORITHMS = frozenset(
    {"hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}
)
_KEY = re.compile(r'\bkey\s+"?([^"\s{]+)"?\s*\{([^}]*)\}', re.IGNORECASE)
# What is quoted comes first: a secret in base64 may have two slashes in it.
_COMMENT = re.compile(r'("[^"]*")|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)


class Key(TypedDict):
    """What signs questions and updates."""

    name: str
    algorithm: str
    secret: str
    """In base64."""


def read(path: str) -> Key:
    """The first ``key`` clause in *path*. Raises CertctlError."""
    try:
        found = _KEY.search(_COMMENT.sub(r"\1", read_secret(path)))
    except CertctlError as error:
        raise _no_key(path, error.message, error.hint) from error
    if not found:
        raise _no_key(path, "there is no key clause in it")
    if any(not 0 < len(label) < 64 for label in found[1].removesuffix(".").split(".")):
        raise _no_key(path, "its name is no domain name")
    pairs = [part.split(None, 1) for part in found[2].split(";")]
    values = {pair[0].lower(): pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
    algorithm = values.get("algorithm", "hmac-sha256").lower().removesuffix(".")
    if algorithm not in _ALGORITHMS:
        raise _no_key(path, f"the algorithm {algorithm} is not known")
    secret = "".join(values.get("secret", "").split())
    if not secret:
        raise _no_key(path, "its key clause has no secret")
    try:
        base64.b64decode(secret, validate=True)
    except ValueError as error:
        raise _no_key(path, "its secret is no base64") from error
    return {"name": found[1], "algorithm": algorithm, "secret": secret}


def _no_key(path: str, why: str, hint: str | None = None) -> CertctlError:
    return CertctlError(
        f"cannot read a TSIG key from {path}: {why}",
        hint or f"make one with `tsig-keygen certctl >{path}` (umask 077) and include it in named.conf",
        transient=False,
    )
