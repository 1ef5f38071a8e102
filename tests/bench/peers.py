"""The peers: how each is found, registers at a CA, and issues one certificate by http-01."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

from tests.bench.installed import ROOT
from tests.bench.measure import Command

CERTBOT = os.path.join(ROOT, "tests/.cache/certbot")
SITE = "certctl.example.test"
NAMES = ("certbot", "lego", "dehydrated", "uacme")


class Ca(NamedTuple):
    """Where certificates come from, and where challenges are answered."""

    url: str
    ca_file: str
    webroot: str
    """Served by an HTTP server that the CA asks."""

    @property
    def challenges(self) -> str:
        """Where the files of http-01 go."""
        return f"{self.webroot}/.well-known/acme-challenge"


class Peer(NamedTuple):
    """One program."""

    name: str
    program: str
    register: Callable[[Ca, str], list[Command]]
    """What makes an account below a directory."""
    issue: Callable[[Ca, str, str], Command]
    """What gets one certificate for a name."""


def certbot() -> str | None:
    """Certbot from the package index, in an environment of its own; None: it is not installed."""
    program = f"{CERTBOT}/bin/certbot"
    if not os.path.exists(program):
        return None
    with open(f"{CERTBOT}.lock", "w", encoding="ascii") as lock:
        # Whoever installs it holds this until all of it is there.
        fcntl.flock(lock, fcntl.LOCK_SH)
    return program


left_out: frozenset[str] = frozenset()
"""Peers that are not to be measured."""


def all_peers(say: Callable[[str], None]) -> dict[str, Peer]:
    """Those that are here; each of the others is named, with the reason."""
    found = {}
    for name, get, register, issue in (
        ("certbot", certbot, _certbot_register, _certbot_issue),
        ("lego", lambda: shutil.which("lego"), _lego_register, _lego_issue),
        ("dehydrated", lambda: shutil.which("dehydrated"), _dehydrated_register, _dehydrated_issue),
        ("uacme", lambda: shutil.which("uacme"), _uacme_register, _uacme_issue),
    ):
        program = get()
        if name in left_out:
            say(f"{name} is left out")
        elif program is None:
            say(f"{name} is missing, so are its rows: tests/bench/run installs it, as root on Debian")
        elif name == "uacme" and os.geteuid() != 0:
            say("uacme is left out: only root can make it trust a CA of one's own")
        else:
            found[name] = Peer(name, program, register, issue)
    return found


# certbot


def certbot_directories(home: str) -> list[str]:
    """Below *home* instead of /etc, /var and /var/log."""
    return ["--config-dir", f"{home}/config", "--work-dir", f"{home}/work", "--logs-dir", f"{home}/logs"]


def _certbot(ca: Ca, home: str, *argv: str) -> Command:
    common = ["--non-interactive", *certbot_directories(home), "--server", ca.url]
    return Command([f"{CERTBOT}/bin/certbot", *argv, *common], {"REQUESTS_CA_BUNDLE": ca.ca_file})


def _certbot_register(ca: Ca, home: str) -> list[Command]:
    return [_certbot(ca, home, "register", "--agree-tos", "--register-unsafely-without-email")]


def _certbot_issue(ca: Ca, home: str, name: str) -> Command:
    return _certbot(ca, home, "certonly", "--webroot", "-w", ca.webroot, "-d", name, "--key-type", "ecdsa")


# lego


def lego(ca: Ca, home: str, name: str, *argv: str) -> Command:
    """Lego makes its account with the first certificate."""
    options = ["--server", ca.url, "--email", "hostmaster@example.test", "--accept-tos", "--path", home]
    how = ["--key-type", "ec256", "--http", "--http.webroot", ca.webroot, "--domains", name]
    return Command(["lego", *options, *how, *argv], {"LEGO_CA_CERTIFICATES": ca.ca_file})


def _lego_register(ca: Ca, home: str) -> list[Command]:
    return [lego(ca, home, SITE, "run")]


def _lego_issue(ca: Ca, home: str, name: str) -> Command:
    return lego(ca, home, name, "run")


# dehydrated


def dehydrated(ca: Ca, home: str, *argv: str) -> Command:
    """Its configuration is a shell script."""
    os.makedirs(home, exist_ok=True)
    with open(f"{home}/config", "w", encoding="ascii") as file:
        file.write(f'BASEDIR="{home}"\nCA="{ca.url}"\nWELLKNOWN="{ca.challenges}"\nKEY_ALGO=prime256v1\n')
    return Command(["dehydrated", "--config", f"{home}/config", *argv], {"CURL_CA_BUNDLE": ca.ca_file})


def _dehydrated_register(ca: Ca, home: str) -> list[Command]:
    return [dehydrated(ca, home, "--register", "--accept-terms")]


def _dehydrated_issue(ca: Ca, home: str, name: str) -> Command:
    return dehydrated(ca, home, "--cron", "--domain", name)


# uacme

_HOOK = """\
#!/bin/sh
# METHOD TYPE IDENT TOKEN AUTH
[ "$2" = http-01 ] || exit 1
case $1 in
  begin) printf %s "$5" >"$CHALLENGES/$4" ;;
  *) rm -f "$CHALLENGES/$4" ;;
esac
"""
# libcurl has the system's CAs compiled in: in a mount namespace of its own, these are the CA's.
_TRUSTING = 'mount --bind "$1" /etc/ssl/certs/ca-certificates.crt && shift && exec "$@"'


def _uacme(ca: Ca, home: str, *argv: str) -> Command:
    os.makedirs(home, exist_ok=True)
    hook = f"{home}/hook"
    if not os.path.exists(hook):
        with open(hook, "w", encoding="ascii") as file:
            file.write(_HOOK)
        os.chmod(hook, 0o755)
    options = ["-a", ca.url, "-c", home, "-y", "-h", hook, "-t", "EC"]
    trusting = ["unshare", "-m", "sh", "-c", _TRUSTING, "sh", ca.ca_file]
    return Command([*trusting, "uacme", *options, *argv], {"CHALLENGES": ca.challenges})


def _uacme_register(ca: Ca, home: str) -> list[Command]:
    return [_uacme(ca, home, "new")]


def _uacme_issue(ca: Ca, home: str, name: str) -> Command:
    return _uacme(ca, home, "issue", name)


def names(count: int) -> list[str]:
    """What certificates are issued for."""
    return [f"c{number:05d}.example.test" for number in range(count)]
