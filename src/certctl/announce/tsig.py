"""Transaction keys (RFC 8945), as tsig-keygen(8) prints them and as named.conf includes them."""

from __future__ import annotations

import base64
import re

import dns.name
import dns.tsig

from certctl.errors import CertctlError
from certctl.system.secret import read_secret

_ALGORITHMS = frozenset(
    {"hmac-md5.sig-alg.reg.int", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}
)
_KEY = re.compile(r'\bkey\s+"?([^"\s{]+)"?\s*\{([^}]*)\}', re.IGNORECASE)
# What is quoted comes first: a secret in base64 may have two slashes in it.
_COMMENT = re.compile(r'("[^"]*")|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)


def read(path: str) -> dns.tsig.Key:
    """The first ``key`` clause in *path*. Raises CertctlError."""
    try:
        found = _KEY.search(_COMMENT.sub(r"\1", read_secret(path)))
    except CertctlError as error:
        raise _no_key(path, error.message, error.hint) from error
    if not found:
        raise _no_key(path, "there is no key clause in it")
    pairs = [part.split(None, 1) for part in found[2].split(";")]
    values = {pair[0].lower(): pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
    if not values.get("secret"):
        raise _no_key(path, "its key clause has no secret")
    algorithm = values.get("algorithm", "hmac-sha256").lower().removesuffix(".")
    if algorithm not in _ALGORITHMS:
        raise _no_key(path, f"the algorithm {algorithm} is not known")
    try:
        secret = base64.b64decode("".join(values["secret"].split()), validate=True)
        return dns.tsig.Key(found[1], secret, algorithm)
    except ValueError as error:
        raise _no_key(path, "its secret is no base64") from error


def _no_key(path: str, why: str, hint: str | None = None) -> CertctlError:
    return CertctlError(
        f"cannot read a TSIG key from {path}: {why}",
        hint or f"make one with `tsig-keygen certctl >{path}` (umask 077) and include it in named.conf",
        transient=False,
    )
