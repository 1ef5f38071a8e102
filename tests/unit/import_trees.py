"""Trees as certbot, lego, acme.sh and dehydrated leave them, after their sources and what they wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.unit.x509_make import DAY, Key, Made, make

LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
ACCOUNT_URL = "https://acme-v02.api.letsencrypt.org/acme/acct/1234"
EMAIL = "hostmaster@example.org"
PRIVATE = 0o600


class Ca(NamedTuple):
    """A public CA of the tests, whose certificates are valid around the real now."""

    now: datetime
    root: Made
    middle: Made

    def leaf(self, *names: str, key: Key | None = None, days: float = 60, age: float = 30) -> Made:
        """A certificate that is *age* days old and ends in *days* (below 0: it has ended)."""
        start, end = self.now - timedelta(days=age), self.now + timedelta(days=days)
        return make(names[0], self.middle, names=names, key=key, start=min(start, end - DAY), end=end)


def make_ca(label: str = "R10") -> Ca:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    span: dict[str, Any] = {"start": now - 400 * DAY, "end": now + 3000 * DAY}
    root = make(f"{label} Root", ca=True, **span)
    return Ca(now, root, make(label, root, ca=True, path_length=0, **span))


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def traditional(key: Key, passphrase: bytes | None = None) -> bytes:
    """A key as OpenSSL's older commands write it: BEGIN EC PRIVATE KEY, BEGIN RSA PRIVATE KEY."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        lock = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, lock)


def encrypted(key: Key) -> bytes:
    """A key as `openssl genpkey -aes256` writes it: BEGIN ENCRYPTED PRIVATE KEY."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def write(path: Path, data: bytes | str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    path.chmod(mode)
    return path


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def digest(root: Path) -> str:
    """Of all that is below *root*: names, kinds, modes, owners, contents, times of change."""
    found = hashlib.sha256()
    for top, directories, files in sorted(os.walk(root)):
        for name in sorted([*directories, *files]):
            path = os.path.join(top, name)
            info = os.lstat(path)
            told = (
                path,
                info.st_mode,
                info.st_uid,
                info.st_gid,
                info.st_size,
                info.st_mtime_ns,
                info.st_ctime_ns,
            )
            found.update(repr(told).encode())
            if os.path.islink(path):
                found.update(os.readlink(path).encode())
            elif os.path.isfile(path):
                found.update(Path(path).read_bytes())
    return found.hexdigest()


# certbot

_CERTBOT_CONF = """\
# renew_before_expiry = 30 days
version = 5.8.0
archive_dir = {root}/archive/{name}
cert = {root}/live/{name}/cert.pem
privkey = {root}/live/{name}/privkey.pem
chain = {root}/live/{name}/chain.pem
fullchain = {root}/live/{name}/fullchain.pem

# Options used in the renewal process
[renewalparams]
account = 0123456789abcdef0123456789abcdef
{params}
"""
STANDALONE = {"authenticator": "standalone", "server": LETSENCRYPT, "key_type": "ecdsa"}


def certbot_lineage(
    root: Path,
    ca: Ca,
    name: str,
    made: Made,
    params: Mapping[str, str] = STANDALONE,
    tail: str = "",
    *,
    number: int = 3,
) -> None:
    """archive/NAME with the set *number*, live/NAME that points at it, renewal/NAME.conf."""
    archive, live = root / "archive" / name, root / "live" / name
    write(archive / f"privkey{number}.pem", made.key_pem, PRIVATE)
    write(archive / f"cert{number}.pem", made.pem)
    write(archive / f"chain{number}.pem", ca.middle.pem)
    write(archive / f"fullchain{number}.pem", made.pem + ca.middle.pem)
    for part in ("privkey", "cert", "chain", "fullchain"):
        link(live / f"{part}.pem", f"../../archive/{name}/{part}{number}.pem")
    write(live / "README", "This directory contains your keys and certificates.\n")
    text = "\n".join(f"{key} = {value}" for key, value in params.items())
    write(root / "renewal" / f"{name}.conf", _CERTBOT_CONF.format(root=root, name=name, params=text) + tail)


def certbot_account(
    root: Path, key: rsa.RSAPrivateKey, server: str = LETSENCRYPT, url: str = ACCOUNT_URL
) -> None:
    place = root / "accounts" / server.partition("://")[2] / ("0123456789abcdef" * 2)
    write(place / "private_key.json", json.dumps(jwk(key)), 0o400)
    write(place / "regr.json", json.dumps({"body": {}, "uri": url}))
    write(place / "meta.json", json.dumps({"creation_dt": "2026-01-01T00:00:00Z", "creation_host": "mx1"}))


def jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    """RFC 7518 §6.3, with certbot's order of fields."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    fields = {"n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q,
              "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}  # fmt: skip
    found = {
        name: _b64(number.to_bytes((number.bit_length() + 7) // 8, "big")) for name, number in fields.items()
    }
    return {**found, "kty": "RSA"}


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# lego


def lego_certificate(
    root: Path, ca: Ca, name: str, made: Made, host: str = "acme-v02.api.letsencrypt.org"
) -> None:
    """What lego 4 writes: .crt holds the chain too, the key is in the older form."""
    base = root / "certificates"
    write(base / f"{name}.key", traditional(made.key), PRIVATE)
    write(base / f"{name}.crt", made.pem + ca.middle.pem, PRIVATE)
    write(base / f"{name}.issuer.crt", ca.middle.pem, PRIVATE)
    url = f"https://{host}/acme/cert/abc"
    resource = {"domain": name.replace("_.", "*."), "certUrl": url, "certStableUrl": url}
    write(base / f"{name}.json", json.dumps(resource, indent="\t"), PRIVATE)


def lego_account(
    root: Path, key: Key, *, modern: bool = False, host: str = "acme-v02.api.letsencrypt.org"
) -> None:
    home = root / "accounts" / host.replace(":", "_") / EMAIL
    body = {"status": "valid", "contact": [f"mailto:{EMAIL}"]}
    if modern:
        document = {"id": EMAIL, "email": EMAIL, "keyType": "EC256", "server": LETSENCRYPT,
                    "registration": {**body, "accountURL": ACCOUNT_URL}}  # fmt: skip
    else:
        document = {"email": EMAIL, "registration": {"body": body, "uri": ACCOUNT_URL}}
    write(home / "account.json", json.dumps(document, indent="\t"), PRIVATE)
    write(home / (f"{EMAIL}.key" if modern else f"keys/{EMAIL}.key"), traditional(key), PRIVATE)


# acme.sh


def acme_sh_base64(text: str) -> str:
    return f"__ACME_BASE64__START_{base64.b64encode(text.encode()).decode()}__ACME_BASE64__END_"


def acme_sh_certificate(
    root: Path,
    ca: Ca,
    domain: str,
    made: Made,
    conf: Mapping[str, str],
    *,
    ecc: bool = False,
    alt: Sequence[str] = (),
) -> None:
    home = root / (f"{domain}_ecc" if ecc else domain)
    known = {"Le_Domain": domain, "Le_Alt": ",".join(alt) or "no", "Le_Webroot": "no", "Le_PreHook": "",
             "Le_PostHook": "", "Le_RenewHook": "", "Le_API": LETSENCRYPT, "Le_CertCreateTime": "1790000000",
             "Le_Keylength": "ec-256" if ecc else "2048", **conf}  # fmt: skip
    write(home / f"{domain}.conf", "".join(f"{name}='{value}'\n" for name, value in known.items()))
    write(home / f"{domain}.key", traditional(made.key), PRIVATE)
    write(home / f"{domain}.cer", made.pem)
    write(home / "ca.cer", ca.middle.pem)
    write(home / "fullchain.cer", made.pem + ca.middle.pem)


def acme_sh_account(root: Path, key: Key, place: str = "acme-v02.api.letsencrypt.org/directory") -> None:
    write(
        root / "account.conf",
        f"LOG_FILE='{root}/acme.sh.log'\nSAVED_CF_Token='secret'\n",
    )
    home = root / "ca" / place
    write(home / "account.key", traditional(key), PRIVATE)
    write(home / "account.json", json.dumps({"status": "valid"}))
    write(home / "ca.conf", f"ACCOUNT_URL='{ACCOUNT_URL}'\nCA_EMAIL='{EMAIL}'\nCA_KEY_HASH='x'\n")


# dehydrated


def dehydrated_certificate(root: Path, ca: Ca, alias: str, made: Made) -> None:
    home = root / "certs" / alias
    stamp = "1790000000"
    write(home / f"privkey-{stamp}.pem", traditional(made.key), PRIVATE)
    write(home / f"cert-{stamp}.pem", made.pem, PRIVATE)
    write(home / f"chain-{stamp}.pem", ca.middle.pem, PRIVATE)
    write(home / f"fullchain-{stamp}.pem", made.pem + ca.middle.pem, PRIVATE)
    for part in ("privkey", "cert", "chain", "fullchain"):
        link(home / f"{part}.pem", f"{part}-{stamp}.pem")


def dehydrated_account(root: Path, key: Key, server: str = LETSENCRYPT, url: str = ACCOUNT_URL) -> None:
    home = root / "accounts" / _b64(f"{server}\n".encode())
    write(home / "account_key.pem", traditional(key), PRIVATE)
    write(home / "registration_info.json", json.dumps({"contact": [f"mailto:{EMAIL}"], "status": "valid"}))
    write(home / "account_id.json", json.dumps({"url": url}))
