"""acme.sh: NAME/ and NAME_ecc/ with NAME.key, NAME.cer, ca.cer, fullchain.cer, NAME.conf; ca/HOST/PATH/.

https://github.com/acmesh-official/acme.sh/wiki
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from certctl.errors import CertctlError
from certctl.onboarding.tools import settings
from certctl.onboarding.tools.common import (
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

PATHS = ("~/.acme.sh",)
SWITCH_OFF = (
    "{path}/acme.sh --uninstall-cronjob  # as the user whose crontab it is in; see crontab -l",
    "systemctl list-timers --all | grep -i acme      # if a timer runs it: systemctl disable --now NAME",
)
DEFAULT_DIRECTORY = "https://acme.zerossl.com/v2/DV90"
ECC = "_ecc"

Conf = Mapping[str, str]

# What acme.sh calls a DNS provider, and what dns-lexicon does. The others have the same name.
_PROVIDERS = {
    "cf": "cloudflare",
    "dgon": "digitalocean",
    "gd": "godaddy",
    "me": "dnsmadeeasy",
    "he": "henet",
    "nsone": "nsone",
    "aws": "route53",
    "gcloud": "googleclouddns",
    "linode_v4": "linode4",
    "pdns": "powerdns",
    "gandi_livedns": "gandi",
    "hetzner": "hetzner",
    "ovh": "ovh",
}


def look(path: str, now: datetime) -> Tree:
    """All certificates and accounts of the acme.sh at *path*. Raises CertctlError where there is none."""
    main = settings.shell(read(f"{path}/account.conf")) if os.path.exists(f"{path}/account.conf") else {}
    main["CA_HOME"] = main.get("CA_HOME") or f"{path}/ca"
    home = main.get("CERT_HOME") or path
    names = [name for name in listed(home) if _conf_path(home, name)]
    if not names:
        raise no_tree("acme.sh", path, "NAME/NAME.conf below it")
    found = Findings()
    lineages: dict[str, Lineage] = {}
    for name in names:
        with found.guard(name, f"{home}/{name}"):
            lineages[name] = _lineage(home, name, main, now)
    found.lineages += _united(lineages)
    for directory in dict.fromkeys(lineage.renewal.directory for lineage in found.lineages):
        with found.guard(f"account at {directory}", f"{path}/ca"):
            found.accounts += _account(main, directory)
    return found.tree("acme.sh", path, tuple(line.format(path=path) for line in SWITCH_OFF))


def _domain(name: str) -> str:
    return name.removesuffix(ECC)


def _conf_path(home: str, name: str) -> str:
    """The settings of the certificate in HOME/NAME; empty for a directory of another kind."""
    path = f"{home}/{name}/{_domain(name)}.conf"
    return path if os.path.isfile(path) else ""


def _united(lineages: Mapping[str, Lineage]) -> list[Lineage]:
    """NAME and NAME_ecc are one certificate with two keys, if they are for the same names."""
    found = []
    for name, lineage in lineages.items():
        twin = lineages.get(f"{name}{ECC}")
        if name.endswith(ECC) and _same(lineages.get(_domain(name)), lineage):
            continue
        if not _same(lineage, twin) or twin is None:
            found.append(lineage)
            continue
        found.append(
            lineage._replace(
                pairs=(*twin.pairs, *lineage.pairs),
                outputs=(*lineage.outputs, *twin.outputs),
                hooks=tuple(dict.fromkeys((*lineage.hooks, *twin.hooks))),
                notes=(*lineage.notes, *twin.notes),
            )
        )
    return found


def _same(one: Lineage | None, other: Lineage | None) -> bool:
    return (
        one is not None
        and other is not None
        and set(one.names) == set(other.names)
        and one.pairs[0].algorithm != other.pairs[0].algorithm
        and one.renewal.directory == other.renewal.directory
    )


def _lineage(home: str, name: str, main: Conf, now: datetime) -> Lineage:
    directory, domain = f"{home}/{name}", _domain(name)
    conf = settings.shell(read(_conf_path(home, name)))
    key = f"{directory}/{domain}.key"
    files = [f"{directory}/{file}" for file in (f"{domain}.cer", "ca.cer", "fullchain.cer")]
    there = [file for file in files if os.path.exists(file)]
    if not there:
        raise CertctlError(
            f"{directory} has no certificate: it was never issued, or the last try failed",
            f"see acme.sh --info -d {domain}; without a certificate there is nothing to keep",
            transient=False,
        )
    return Lineage(
        domain,
        directory,
        (from_files(key, there, now),),
        _renewal(conf, main),
        tuple(_outputs(conf, key, f"{directory}/fullchain.cer")),
        tuple(_hooks(conf)),
    )


def _outputs(conf: Conf, key: str, fullchain: str) -> list[Output]:
    """Where `acme.sh --install-cert` puts copies; without that servers read its own files."""
    real = [
        Output(conf[name], parts)
        for name, parts in (
            ("Le_RealKeyPath", ("key",)),
            ("Le_RealFullChainPath", ("cert", "chain")),
            ("Le_RealCertPath", ("cert",)),
            ("Le_RealCACertPath", ("chain",)),
        )
        if conf.get(name)
    ]
    return real or [Output(key, ("key",)), Output(fullchain, ("cert", "chain"))]


def _hooks(conf: Conf) -> list[str]:
    names = ("Le_ReloadCmd", "Le_RenewHook", "Le_PostHook")
    commands = [settings.acme_sh_text(conf.get(name, "")) for name in names]
    deploy = [f"acme.sh --deploy-hook {name}" for name in settings.words(conf.get("Le_DeployHook", ""))]
    return [command for command in [*commands, *deploy] if command and command != "no"]


def _renewal(conf: Conf, main: Conf) -> Renewal:
    directory = conf.get("Le_API") or main.get("DEFAULT_ACME_SERVER") or DEFAULT_DIRECTORY
    source = _ca_home(main, directory)
    ca = _ca_conf(source)
    kid = ca.get("CA_EAB_KEY_ID", "")
    base = Renewal(
        directory=directory,
        email=ca.get("CA_EMAIL") or main.get("ACCOUNT_EMAIL", ""),
        preferred_chain=settings.acme_sh_text(conf.get("Le_Preferred_Chain", "")),
        profile=conf.get("Le_Certificate_Profile", ""),
        ca_file=main.get("CA_BUNDLE", ""),
        binding=Binding(kid, f"CA_EAB_HMAC_KEY of {source}/ca.conf") if kid else None,
    )
    ways = list(dict.fromkeys(settings.words(conf.get("Le_Webroot", ""))))
    if len(ways) > 1:
        base = base._replace(todo=(f"acme.sh used several ways ({', '.join(ways)}), an issuer has one",))
    return _way(base, ways[0] if ways else "no", conf)


def _way(base: Renewal, way: str, conf: Conf) -> Renewal:
    """How one value of Le_Webroot proves that a name is ours."""
    if way == "no":
        port = conf.get("Le_HTTPPort", "")
        return base._replace(listen=f"0.0.0.0:{port}") if port and port != "80" else base
    if way == "alpn":
        port = conf.get("Le_TLSPort", "")
        listen = f"0.0.0.0:{port}" if port and port != "443" else ""
        return base._replace(challenge="tls-alpn-01", listen=listen)
    if way.startswith("/"):
        return base._replace(webroot=way)
    if way == "dns_nsupdate":
        why = "name the server, and put the key of NSUPDATE_KEY into tsig_key_file"
        table = (("server", "127.0.0.1"), ("tsig_key_file", "/etc/certctl/tsig.key"))
        return base._replace(challenge="dns-01", dns="rfc2136", dns_table=table, todo=(*base.todo, why))
    if way.startswith("dns_"):
        name = way.removeprefix("dns_")
        provider = _PROVIDERS.get(name, name)
        why = f"put the credentials of acme.sh (account.conf, SAVED_…) into the issuer's table {provider}"
        return base._replace(challenge="dns-01", dns=provider, todo=(*base.todo, why))
    why = f"acme.sh answered the CA by {way.partition(':')[0]!r}, which certctl does not: choose a challenge"
    return base._replace(todo=(*base.todo, f"{why} (now: port 80, http-01)"))


def _ca_home(main: Conf, directory: str) -> str:
    """Where the account at *directory* is: HOST/PATH of its URL, the port left out; HOST in old releases."""
    home = main["CA_HOME"]
    host, _, rest = directory.partition("://")[2].partition("/")
    host = host.partition(":")[0]
    places = (f"{home}/{host}/{rest.rstrip('/')}", f"{home}/{host}")
    return next((place for place in places if os.path.isfile(f"{place}/account.key")), "")


def _ca_conf(source: str) -> Conf:
    return settings.shell(read(f"{source}/ca.conf")) if os.path.exists(f"{source}/ca.conf") else {}


def _account(main: Conf, directory: str) -> list[Account]:
    source = _ca_home(main, directory)
    if not source:
        return []
    conf = _ca_conf(source)
    email = conf.get("CA_EMAIL") or main.get("ACCOUNT_EMAIL", "")
    contact = (f"mailto:{email}",) if "@" in email else ()
    key = private_key(read(f"{source}/account.key"))
    return [Account(directory, key, conf.get("ACCOUNT_URL", ""), contact, source)]
