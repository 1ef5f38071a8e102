"""lego: certificates/NAME.{key,crt,issuer.crt,json}, accounts/HOST/ID/account.json and its key.

Releases before 5 keep the key in ID/keys/ID.key; later ones in ID/ID.key, and account.json names the server.
https://go-acme.github.io/lego/usage/
"""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from certctl.errors import CertctlError
from certctl.onboarding.tools.common import (
    LETSENCRYPT,
    Account,
    Binding,
    Findings,
    Lineage,
    Output,
    Renewal,
    Tree,
    listed,
    no_tree,
    read,
)
from certctl.onboarding.tools.pairs import from_files, private_key

PATHS = ("~/.lego", "/var/lib/lego")
SWITCH_OFF = (
    "crontab -e                                       # take out the line that runs: lego … renew",
    "systemctl list-timers --all | grep -i lego       # if a timer does: systemctl disable --now NAME",
)
DIRECTORIES = {
    "acme-v02.api.letsencrypt.org": LETSENCRYPT,
    "acme-staging-v02.api.letsencrypt.org": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "acme.zerossl.com": "https://acme.zerossl.com/v2/DV90",
    "dv.acme-v02.api.pki.goog": "https://dv.acme-v02.api.pki.goog/directory",
    "api.buypass.com": "https://api.buypass.com/acme/directory",
    "acme.ssl.com": "https://acme.ssl.com/sslcom-dv-ecc",
}
"""By the host, which is all that releases before 5 leave on disk."""


def look(path: str, now: datetime) -> Tree:
    """All certificates and accounts of the lego tree at *path*. Raises CertctlError where there is none."""
    home = f"{path}/certificates"
    names = [n.removesuffix(".crt") for n in listed(home) if n.endswith(".crt") and not _is_issuer(n)]
    if not names:
        raise no_tree("lego", path, "certificates/*.crt")
    found = Findings()
    _accounts(path, found)
    servers = {urlsplit(account.directory).netloc: account for account in found.accounts}
    for name in names:
        with found.guard(name, f"{home}/{name}.crt"):
            found.lineages.append(_bound(_lineage(home, name, servers, now), found.accounts))
    return found.tree("lego", path, SWITCH_OFF)


def _is_issuer(name: str) -> bool:
    return name.endswith(".issuer.crt")


def _lineage(home: str, name: str, servers: dict[str, Account], now: datetime) -> Lineage:
    base = f"{home}/{name}"
    if not os.path.exists(f"{base}.key"):
        raise CertctlError(
            f"{base}.key is not there: lego was given a request (--csr), and whoever made that has the key",
            "take it over from where the key is: certctl import pem PATH",
            transient=False,
        )
    certificates = [file for file in (f"{base}.crt", f"{base}.issuer.crt") if os.path.exists(file)]
    pair = from_files(f"{base}.key", certificates, now)
    resource = _document(f"{base}.json") if os.path.exists(f"{base}.json") else {}
    host = urlsplit(str(resource.get("certUrl") or resource.get("certStableUrl") or "")).netloc
    account = servers.get(host) or (next(iter(servers.values())) if len(servers) == 1 else None)
    return Lineage(
        str(resource.get("domain") or resource.get("id") or name),
        f"{base}.crt",
        (pair,),
        _renewal(host, account),
        (Output(f"{base}.key", ("key",)), Output(f"{base}.crt", ("cert", "chain"))),
    )


def _bound(lineage: Lineage, accounts: list[Account]) -> Lineage:
    """*lineage* with the external account of its ACME account: lego keeps its identifier, and not its key."""
    directory = lineage.renewal.directory
    kid = next((_kid(account.source) for account in accounts if account.directory == directory), "")
    if not kid:
        return lineage
    binding = Binding(kid, "the HMAC key that the CA gave you with it (lego keeps none: see where --hmac is)")
    return lineage._replace(renewal=lineage.renewal._replace(binding=binding))


def _kid(source: str) -> str:
    """The key identifier in the binding that the CA shows in the account; empty where there is none."""
    registration: Any = _document(f"{source}/account.json").get("registration")
    try:
        inner = registration.get("body") or registration
        protected = inner["externalAccountBinding"]["protected"]
        return str(json.loads(base64.urlsafe_b64decode(protected + "==="))["kid"])
    except (AttributeError, TypeError, KeyError, ValueError):
        return ""


def _renewal(host: str, account: Account | None) -> Renewal:
    directory = account.directory if account else _directory(host) if host else ""
    email = next((word.removeprefix("mailto:") for word in account.contact), "") if account else ""
    todo = [
        "lego has its options on its command line: choose challenge, webroot or dns as you have them there"
    ]
    if directory and directory not in DIRECTORIES.values():
        todo.append(f"see that directory is right: lego noted the host {urlsplit(directory).netloc} only")
    return Renewal(directory=directory, email=email, todo=tuple(todo))


def _directory(host: str) -> str:
    return DIRECTORIES.get(host, f"https://{host}/directory")


def _accounts(path: str, found: Findings) -> None:
    root = f"{path}/accounts"
    for host in listed(root):
        for identity in listed(f"{root}/{host}"):
            source = f"{root}/{host}/{identity}"
            if not os.path.exists(f"{source}/account.json"):
                continue
            with found.guard(f"account {identity} at {host}", source):
                found.accounts.append(_account(source, host, identity))


def _account(source: str, host: str, identity: str) -> Account:
    document = _document(f"{source}/account.json")
    registration = document.get("registration") or {}
    if not isinstance(registration, dict):
        registration = {}
    inner = registration.get("body")
    body: dict[str, Any] = inner if isinstance(inner, dict) else registration
    url = str(registration.get("uri") or registration.get("accountURL") or registration.get("location") or "")
    server = str(document.get("server") or "")
    if not server:
        # HOST is the URL's, with its colon written as an underscore.
        server = _directory(urlsplit(url).netloc or host.replace("_", ":"))
    contact = tuple(map(str, body.get("contact") or ())) or _mailto(str(document.get("email") or ""))
    places = [f"{source}/{identity}.key", f"{source}/keys/{identity}.key"]
    key = next((place for place in places if os.path.exists(place)), places[0])
    try:
        return Account(server, private_key(read(key)), url, contact, source)
    except CertctlError as error:
        raise CertctlError(f"{key}: {error.message}", error.hint) from error


def _mailto(email: str) -> tuple[str, ...]:
    return (f"mailto:{email}",) if "@" in email else ()


def _document(path: str) -> dict[str, Any]:
    try:
        found = json.loads(read(path))
    except ValueError as error:
        raise CertctlError(f"{path} is no JSON", transient=False) from error
    return found if isinstance(found, dict) else {}
