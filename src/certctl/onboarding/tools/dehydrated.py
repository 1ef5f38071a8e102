"""dehydrated: config, domains.txt, certs/ALIAS/{privkey,cert,chain,fullchain}.pem, accounts/CA/.

The directory of a CA's account is the base64url of its URL with a line feed.
https://github.com/dehydrated-io/dehydrated/tree/master/docs
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from datetime import datetime

from certctl.errors import CertctlError
from certctl.onboarding.tools import settings
from certctl.onboarding.tools.common import (
    LETSENCRYPT,
    Account,
    Binding,
    Findings,
    Lineage,
    Output,
    Refused,
    Renewal,
    Tree,
    listed,
    no_tree,
    read,
)
from certctl.onboarding.tools.pairs import from_files, private_key

PATHS = ("/etc/dehydrated", "/var/lib/dehydrated")
SWITCH_OFF = (
    "systemctl disable --now dehydrated.timer         # if there is one",
    "mv /etc/cron.d/dehydrated /root/cron.d-dehydrated.off  # if there is one; else crontab -e",
)
_CAS = {
    "letsencrypt": LETSENCRYPT,
    "letsencrypt-test": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "zerossl": "https://acme.zerossl.com/v2/DV90",
    "buypass": "https://api.buypass.com/acme/directory",
    "buypass-test": "https://api.test4.buypass.no/acme/directory",
    "google": "https://dv.acme-v02.api.pki.goog/directory",
    "google-test": "https://dv.acme-v02.test-api.pki.goog/directory",
}
_PARTS = ("cert.pem", "chain.pem", "fullchain.pem")

Config = Mapping[str, str]


def look(path: str, now: datetime) -> Tree:
    """All certificates and the account of the dehydrated at *path*. Raises CertctlError where there is none.

    *path* is the directory of its file config, or its BASEDIR.
    """
    config = _config(path)
    certificates = config["CERTDIR"]
    there = [n for n in listed(certificates) if os.path.lexists(f"{certificates}/{n}/privkey.pem")]
    if not there:
        raise no_tree("dehydrated", path, f"certs/*/privkey.pem (looked in {certificates})")
    found = Findings()
    domains = _domains(config["DOMAINS_TXT"])
    for name in there:
        source = f"{certificates}/{name}"
        if domains is not None and name not in domains:
            why = f"it is not in {config['DOMAINS_TXT']} any more, so dehydrated does not renew it"
            found.left.append(Refused(name, source, why))
            continue
        with found.guard(name, source):
            found.lineages.append(_lineage(name, source, config, (domains or {}).get(name, ()), now))
    for name in domains or ():
        if name not in there:
            why = "dehydrated has no certificate for it yet"
            found.left.append(Refused(name, config["DOMAINS_TXT"], why))
    with found.guard(f"account at {config['CA']}", config["ACCOUNTDIR"]):
        found.accounts += _account(config)
    return found.tree("dehydrated", path, SWITCH_OFF)


def _config(path: str) -> dict[str, str]:
    """The settings, with dehydrated's own defaults; conf.d is read as dehydrated reads it."""
    found = {"BASEDIR": path}
    if os.path.isfile(f"{path}/config"):
        found = settings.shell(read(f"{path}/config"), found)
        for name in listed(found.get("CONFIG_D", "")):
            if name.endswith(".sh"):
                found = settings.shell(read(f"{found['CONFIG_D']}/{name}"), found)
    base = found["BASEDIR"].rstrip("/")
    found["CA"] = _CAS.get(found.get("CA", "") or "letsencrypt", found.get("CA", ""))
    for name, default in (
        ("CERTDIR", f"{base}/certs"),
        ("ACCOUNTDIR", f"{base}/accounts"),
        ("DOMAINS_TXT", f"{base}/domains.txt"),
        ("WELLKNOWN", "/var/www/dehydrated"),
        ("CHALLENGETYPE", "http-01"),
    ):
        found[name] = found.get(name) or default
    return found


def _domains(path: str) -> dict[str, tuple[str, ...]] | None:
    """Alias -> names, as domains.txt and domains.txt.d/*.txt have them; None where there is neither."""
    files = [path] if os.path.exists(path) else []
    files += [f"{path}.d/{name}" for name in listed(f"{path}.d") if name.endswith(".txt")]
    if not files:
        return None
    found: dict[str, tuple[str, ...]] = {}
    for file in files:
        for line in read(file).decode("utf-8", "replace").lower().splitlines():
            left, _, alias = line.partition(">")
            names = tuple(left.split())
            if names and not names[0].startswith("#"):
                found[alias.strip().split(" ")[0] or names[0]] = names
    return found


def _lineage(name: str, source: str, config: Config, names: tuple[str, ...], now: datetime) -> Lineage:
    own = f"{config['DOMAINS_D']}/{name}" if config.get("DOMAINS_D") else f"{source}/config"
    config = settings.shell(read(own), config) if os.path.isfile(own) else config
    certificates = [f"{source}/{file}" for file in _PARTS if os.path.exists(f"{source}/{file}")]
    if not certificates:
        raise CertctlError(f"{source} has a key and no certificate: it was never issued", transient=False)
    pair = from_files(f"{source}/privkey.pem", certificates, now)
    roll = f"{source}/privkey.roll.pem"
    differ = names and set(names) != set(pair.names)
    note = f"domains.txt has {' '.join(names)}, the certificate {' '.join(pair.names)}: see to names"
    return Lineage(
        name,
        source,
        (pair,),
        _renewal(config),
        (Output(f"{source}/privkey.pem", ("key",)), Output(f"{source}/fullchain.pem", ("cert", "chain"))),
        (f"{config['HOOK']} deploy_cert …",) if config.get("HOOK") else (),
        (private_key(read(roll)),) if os.path.exists(roll) else (),
        (note,) if differ else (),
    )


def _renewal(config: Config) -> Renewal:
    challenge = config["CHALLENGETYPE"]
    kid, key_at = config.get("EAB_KID", ""), f"EAB_HMAC_KEY of dehydrated's settings in {config['BASEDIR']}"
    base = Renewal(
        directory=config["CA"],
        email=config.get("CONTACT_EMAIL", ""),
        preferred_chain=config.get("PREFERRED_CHAIN", ""),
        profile=config.get("ACME_PROFILE", ""),
        ca_file=_ca_file(config.get("CURL_OPTS", "")),
        binding=Binding(kid, key_at) if kid else None,
    )
    if challenge == "http-01":
        # certctl puts its answers below WEBROOT/.well-known/acme-challenge, dehydrated right into WELLKNOWN.
        inside = config["WELLKNOWN"].removesuffix("/").removesuffix("/.well-known/acme-challenge")
        if inside != config["WELLKNOWN"].removesuffix("/"):
            return base._replace(webroot=inside or "/")
        why = (
            f"dehydrated's answers were in {config['WELLKNOWN']}, which the web server shows as "
            "/.well-known/acme-challenge/: certctl writes below WEBROOT/.well-known/acme-challenge/, so let "
            "the server show that, or drop webroot and let certctl answer on port 80 itself"
        )
        return base._replace(webroot=inside, todo=(why,))
    if challenge == "dns-01":
        hook = config.get("HOOK") or "/usr/local/bin/dns-hook"
        why = f"certctl calls PROGRAM add|remove NAME VALUE; dehydrated's {hook} has other arguments"
        return base._replace(
            challenge="dns-01", dns="command", dns_table=(("command", (hook,)),), todo=(why,)
        )
    return base._replace(
        challenge="tls-alpn-01",
        todo=("another server answered for tls-alpn-01: certctl answers on port 443 itself",),
    )


def _ca_file(options: str) -> str:
    words = options.split()
    at = words.index("--cacert") + 1 if "--cacert" in words else len(words)
    return words[at] if at < len(words) and words[at].startswith("/") else ""


def _account(config: Config) -> list[Account]:
    name = base64.urlsafe_b64encode(f"{config['CA']}\n".encode()).decode().rstrip("=")
    source = f"{config['ACCOUNTDIR']}/{name}"
    if not os.path.exists(f"{source}/account_key.pem") or os.path.exists(f"{source}/deactivated"):
        return []
    key = private_key(read(f"{source}/account_key.pem"))
    url = _field(f"{source}/account_id.json", "url")
    contact = _field(f"{source}/registration_info.json", "contact")
    found = tuple(map(str, contact)) if isinstance(contact, list) else ()
    return [Account(config["CA"], key, url if isinstance(url, str) else "", found, source)]


def _field(path: str, name: str) -> object:
    """A field of a JSON file that may be missing, or none: what it holds can be asked of the CA again."""
    if not os.path.exists(path):
        return None
    try:
        document = json.loads(read(path))
    except ValueError:
        return None
    return document.get(name) if isinstance(document, dict) else None
