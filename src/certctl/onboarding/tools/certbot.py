"""certbot: renewal/NAME.conf, live/NAME/ (symlinks into archive/NAME/), accounts/SERVER/ID/.

https://eff-certbot.readthedocs.io/en/stable/using.html#where-are-my-certificates
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from certctl.errors import CertctlError
from certctl.onboarding.tools import settings
from certctl.onboarding.tools.common import (
    ALGORITHMS,
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
from certctl.onboarding.tools.pairs import from_files

PATHS = ("/etc/letsencrypt",)
SWITCH_OFF = (
    "systemctl disable --now certbot.timer            # Debian, Fedora and others",
    "systemctl disable --now snap.certbot.renew.timer # if certbot is a snap",
    "mv /etc/cron.d/certbot /root/cron.d-certbot.off  # if there is one; crontab -e for a line of your own",
)
_PARTS = ("cert", "chain", "fullchain")
_NUMBERED = re.compile(r"^privkey(\d+)\.pem$")
_WEBROOT_UNKNOWN = "/var/www/html"

Sections = Mapping[str, Mapping[str, str]]


def look(path: str, now: datetime) -> Tree:
    """All lineages and accounts of the certbot tree at *path*. Raises CertctlError where there is none."""
    confs = [name for name in listed(f"{path}/renewal") if name.endswith(".conf")]
    lives = [name for name in listed(f"{path}/live") if os.path.isdir(f"{path}/live/{name}")]
    if not confs and not lives:
        raise no_tree("certbot", path, "renewal/*.conf and no live/*/")
    found = Findings()
    servers: dict[str, str] = {}
    scripts = [f"{path}/renewal-hooks/deploy/{name}" for name in listed(f"{path}/renewal-hooks/deploy")]
    for name in sorted({*(conf.removesuffix(".conf") for conf in confs), *lives}):
        conf = f"{path}/renewal/{name}.conf"
        with found.guard(name, conf if f"{name}.conf" in confs else f"{path}/live/{name}"):
            parsed = settings.sections(read(conf)) if f"{name}.conf" in confs else {}
            lineage = _bound(path, _lineage(path, name, parsed, scripts, now))
            found.lineages.append(lineage)
            account = parsed.get("renewalparams", {}).get("account", "")
            servers.setdefault(lineage.renewal.directory, account)
    for server, account in servers.items():
        with found.guard(f"account at {server}", f"{path}/accounts"):
            found.accounts += _account(path, server, account)
    return found.tree("certbot", path, SWITCH_OFF)


def _lineage(path: str, name: str, conf: Sections, scripts: list[str], now: datetime) -> Lineage:
    files = _files(path, name, conf.get("", {}))
    pair = from_files(files["privkey"], [files[part] for part in _PARTS if part in files], now)
    params = conf.get("renewalparams", {})
    live = f"{path}/live/{name}"
    hooks = [params.get(key, "") for key in ("renew_hook", "deploy_hook", "post_hook")]
    notes = []
    if params.get("must_staple") == "True":
        notes.append("it asks for OCSP stapling (must_staple), which certctl does not: CAs have given it up")
    if conf and not params:
        notes.append(f"{path}/renewal/{name}.conf says nothing of how it is renewed")
    return Lineage(
        name,
        live,
        (pair,),
        _renewal(params, conf.get("webroot_map", {})),
        (Output(f"{live}/privkey.pem", ("key",)), Output(f"{live}/fullchain.pem", ("cert", "chain"))),
        tuple(hook for hook in [*hooks, *scripts] if hook and hook != "None"),
        notes=tuple(notes),
    )


def _bound(path: str, lineage: Lineage) -> Lineage:
    """*lineage* with the external account of cli.ini: certbot keeps none in its confs."""
    file = f"{path}/cli.ini"
    found = settings.sections(read(file))[""] if os.path.isfile(file) else {}
    options = {name.replace("_", "-"): value for name, value in found.items()}
    kid, directory = options.get("eab-kid", ""), lineage.renewal.directory
    if not kid or directory == LETSENCRYPT or options.get("server", directory) != directory:
        return lineage
    algorithm = options.get("eab-hmac-alg", "")
    binding = Binding(kid, f"eab-hmac-key of {file}", algorithm if algorithm in ALGORITHMS else "HS256")
    return lineage._replace(renewal=lineage.renewal._replace(binding=binding))


def _files(path: str, name: str, conf: Mapping[str, str]) -> dict[str, str]:
    """Where the files are: below *path*, else where the conf says, else the newest whole set of the archive.

    A tree that was copied elsewhere names its old place in its confs, and may have lost its symlinks.
    """
    live = {part: f"{path}/live/{name}/{part}.pem" for part in ("privkey", *_PARTS)}
    told = {part: conf[part] for part in ("privkey", *_PARTS) if part in conf}
    for files in (live, told, _archived(path, name)):
        there = {part: file for part, file in files.items() if os.path.isfile(file)}
        if "privkey" in there and {"cert", "fullchain"} & set(there):
            return there
    broken = next((file for file in live.values() if os.path.islink(file) and not os.path.exists(file)), None)
    raise CertctlError(
        f"{broken} is a symlink to nothing" if broken else f"{live['privkey']} or its certificate is missing",
        f"look at it: ls -lL {path}/live/{name} {path}/archive/{name}; certbot certificates",
        transient=False,
    )


def _archived(path: str, name: str) -> dict[str, str]:
    archive = f"{path}/archive/{name}"
    there = set(listed(archive))
    numbers = sorted((int(match[1]) for match in map(_NUMBERED.match, there) if match), reverse=True)
    for number in numbers:
        if {f"cert{number}.pem", f"chain{number}.pem"} <= there:
            return {part: f"{archive}/{part}{number}.pem" for part in ("privkey", *_PARTS)}
    return {}


def _renewal(params: Mapping[str, str], webroots: Mapping[str, str]) -> Renewal:
    base = Renewal(
        directory=params.get("server") or LETSENCRYPT,
        email=_set(params, "email"),
        preferred_chain=_set(params, "preferred_chain"),
        profile=_set(params, "required_profile") or _set(params, "preferred_profile"),
    )
    kind = params.get("authenticator", "").rpartition(":")[2]
    if kind == "standalone":
        address, port = _set(params, "http01_address"), _set(params, "http01_port") or "80"
        plain = not address and port == "80"
        return base if plain else base._replace(listen=f"{address or '0.0.0.0'}:{port}")  # noqa: S104
    if kind == "webroot":
        return _webroot(base, params, webroots)
    if kind in ("nginx", "apache"):
        why = (
            f"certbot answered the CA from within {kind}, whose configuration certctl never changes: name "
            "the directory from which it serves http://NAME/.well-known/acme-challenge/"
        )
        return base._replace(webroot=_WEBROOT_UNKNOWN, todo=(why,))
    if kind == "dns-rfc2136":
        return _rfc2136(base, _set(params, "dns_rfc2136_credentials"))
    if kind.startswith("dns-"):
        file = _set(params, f"{kind.replace('-', '_')}_credentials")
        provider = kind.removeprefix("dns-")
        why = f"put what is in {file or 'the credentials of certbot'} into the issuer's table {provider}"
        return base._replace(challenge="dns-01", dns=provider, todo=(why,))
    if kind == "manual":
        return _manual(base, params)
    todo = f"certbot answered by {kind}: choose a challenge for it" if kind else "choose a challenge"
    return base._replace(todo=(f"{todo} (now: port 80, http-01)",))


def _webroot(base: Renewal, params: Mapping[str, str], webroots: Mapping[str, str]) -> Renewal:
    paths = list(dict.fromkeys([*webroots.values(), *settings.words(params.get("webroot_path", ""))]))
    if not paths:
        return base._replace(webroot=_WEBROOT_UNKNOWN, todo=("name the directory of the web server",))
    if len(paths) == 1:
        return base._replace(webroot=paths[0])
    why = f"certbot used several directories ({', '.join(paths)}), certctl has one for an issuer"
    return base._replace(webroot=paths[0], todo=(why,))


def _rfc2136(base: Renewal, file: str) -> Renewal:
    """The credentials of certbot-dns-rfc2136, but for the secret: that goes into no configuration."""
    server = ""
    if file and os.path.exists(file):
        ini = settings.sections(read(file))[""]
        server = ini.get("dns_rfc2136_server", "")
        port = ini.get("dns_rfc2136_port", "53")
        server += f":{port}" if server and port != "53" else ""
    why = (
        f"write the TSIG key of {file or 'certbot'} into tsig_key_file, in the form of tsig-keygen(8): "
        'key "NAME" { algorithm hmac-sha512; secret "…"; };'
    )
    table = (("server", server or "127.0.0.1"), ("tsig_key_file", "/etc/certctl/tsig.key"))
    return base._replace(challenge="dns-01", dns="rfc2136", dns_table=table, todo=(why,))


def _manual(base: Renewal, params: Mapping[str, str]) -> Renewal:
    hook = _set(params, "manual_auth_hook")
    by_dns = "dns-01" in params.get("pref_challs", "")
    if hook and by_dns:
        why = f"certctl calls PROGRAM add|remove NAME VALUE; certbot's {hook} reads CERTBOT_… instead"
        table = (("command", (hook.split()[0],)),)
        return base._replace(challenge="dns-01", dns="command", dns_table=table, todo=(why,))
    why = "a person answered the CA: choose a challenge that needs nobody (now: port 80, http-01)"
    return base._replace(todo=(why,))


def _set(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    return "" if value == "None" else value


def _account(path: str, server: str, wanted: str) -> list[Account]:
    """The account that lineages of *server* are renewed with; none if it is not there any more."""
    directory = f"{path}/accounts/{server.partition('://')[2].rstrip('/')}"
    there = [name for name in listed(directory) if os.path.exists(f"{directory}/{name}/private_key.json")]
    name = wanted if wanted in there else (there[0] if len(there) == 1 else "")
    if not name:
        return []
    source = f"{directory}/{name}"
    key = _jwk(f"{source}/private_key.json")
    try:
        registration = json.loads(read(f"{source}/regr.json"))
        url = str(registration.get("uri") or "")
        contact = tuple(map(str, (registration.get("body") or {}).get("contact") or ()))
    except (ValueError, AttributeError, TypeError) as error:
        raise CertctlError(f"{source}/regr.json holds no registration", transient=False) from error
    return [Account(server, key, url, contact, source)]


def _jwk(path: str) -> bytes:
    """The account key, which certbot keeps as JWK (RFC 7517), as PKCS #8 PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from josepy.jwk import JWK

    try:
        key: Any = JWK.from_json(json.loads(read(path)))
        data: bytes = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except CertctlError:
        raise
    except Exception as error:
        # josepy and cryptography raise a dozen types for what is no key.
        raise CertctlError(f"{path} holds no account key", transient=False) from error
    return data
