"""Exim: its key and certificate, which it reads at each connection as its own user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from certctl.doctor.chain import Scene
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.servers.exim import files_of, read_exim

_USERS = ("Debian-exim", "exim", "mail")
"""Who Exim runs as where exim_user is not set, the likeliest first: every Debian has a user mail."""
_RELOAD = "no reload: Exim reads its files at each connection"


def check_exim(path: str, now: datetime) -> Findings:
    """Check the configuration *path*: the main section's plain settings, no expansions."""
    settings = read_exim(path)
    place = Place(f"exim {path}", "exim")
    certificates = files_of(settings.get("tls_certificate", ""))
    keys = files_of(settings.get("tls_privatekey", "")) or certificates
    for certificate, key in zip(certificates, keys, strict=False):
        yield from check_pair(Scene(place, now, reload=_RELOAD), certificate, key)
        yield from _check_readable(place, key, settings.get("exim_user", ""))
    for parameters in files_of(settings.get("tls_dhparam", "")):
        why = "Exim has good groups of its own, and takes primes above 2236 bits for none at all"
        yield from check_dh(
            place, parameters, Advice("take tls_dhparam out", why, largest=2236, reload=_RELOAD)
        )


def _check_readable(place: Place, path: str, user: str) -> Iterator[Finding]:
    """A key of root alone fails at the first connection: Exim has dropped root by then."""
    import grp
    import pwd

    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = next((accounts[name] for name in ((user,) if user else _USERS) if name in accounts), None)
    if account is None or account.pw_uid == 0 or not os.path.exists(path):
        return
    info = os.stat(path)
    groups = {account.pw_gid} | {group.gr_gid for group in grp.getgrall() if account.pw_name in group.gr_mem}
    if info.st_uid == account.pw_uid:
        readable = bool(info.st_mode & 0o400)
    elif info.st_gid in groups:
        readable = bool(info.st_mode & 0o040)
    else:
        readable = bool(info.st_mode & 0o004)
    if not readable:
        group = grp.getgrgid(account.pw_gid).gr_name
        yield place.error(
            "key-unreadable",
            f"{path}: Exim runs as {account.pw_name}, which may not read it",
            f'chgrp {group} {path} && chmod 0640 {path}; in certctl.toml: mode = "0640", group = "{group}"',
        )
