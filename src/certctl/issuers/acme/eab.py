"""External account binding (RFC 8555 §7.3.4): an account at the CA's shop vouches for the ACME account."""

from __future__ import annotations

from typing import Any

from acme import messages
from josepy.b64 import b64decode
from josepy.jwk import JWK

from certctl.errors import CertctlError, IssuerError
from certctl.issuers.acme.client import Client
from certctl.planning.spec import AcmeOptions
from certctl.system.secret import read_secret

_HINT = "the file holds the HMAC key alone, in base64url as the CA shows it"
ALGORITHMS = ("HS256", "HS384", "HS512")


def binding(client: Client, options: AcmeOptions, key: JWK) -> dict[str, Any] | None:
    """Return the JWS over the account's public *key*, made with the MAC key that the CA handed out.

    None where no binding is configured. Raises `IssuerError` where the CA wants one, or it cannot be made.
    """
    directory = client.directory()
    if not options.eab_kid:
        if directory.external_account_required:
            raise IssuerError(
                f"{client.name} wants an external account binding",
                f"get a key id and an HMAC key from the CA and set eab_kid and eab_hmac_key_file in "
                f"[issuer.{client.name}]",
                transient=False,
            )
        return None
    if options.eab_algorithm not in ALGORITHMS:
        raise IssuerError(
            f"eab_algorithm {options.eab_algorithm!r} is not known",
            f"one of {', '.join(ALGORITHMS)}",
            transient=False,
        )
    return messages.ExternalAccountBinding.from_data(
        account_public_key=key.public_key(),
        kid=options.eab_kid,
        hmac_key=_mac_key(options.eab_hmac_key_file),
        directory=messages.Directory({"newAccount": directory.new_account}),
        hmac_alg=options.eab_algorithm,
    )


def _mac_key(path: str) -> str:
    """Return the base64url text in *path*; CAs show it with and without padding, some in plain base64."""
    try:
        text = "".join(read_secret(path).split())
        text = text.rstrip("=").replace("+", "-").replace("/", "_")
        key = b64decode(text)
    except CertctlError as error:
        raise _unusable(path, error.message, error.hint) from error
    except ValueError:
        raise _unusable(path, "it is no base64") from None
    if not key:
        raise IssuerError(f"{path} holds no external account key: it is empty", transient=False)
    return text


def _unusable(path: str, why: str, hint: str | None = None) -> IssuerError:
    return IssuerError(
        f"cannot read the external account's key from {path}: {why}", hint or _HINT, transient=False
    )
