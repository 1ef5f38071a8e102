"""The peers: how each is found or installed, registers at a CA, and issues one certificate by http-01."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.bench.installed import ROOT
from tests.bench.measure import Command

CERTBOT = os.path.join(ROOT, "tests/.cache/certbot")
SITE = "certctl.example.test"


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
    """Certbot from the package index, in an environment of its own."""
    program = f"{CERTBOT}/bin/certbot"
    if not os.path.exists(program):
        pip = [f"{CERTBOT}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for argv in ([sys.executable, "-m", "venv", CERTBOT], [*pip, "--compile", "certbot"]):
            if not _quietly(argv):
                return None
    # Whoever installed it may have left it without byte code: it would compile itself in every run.
    _quietly([f"{CERTBOT}/bin/python", "-m", "compileall", "-q", f"{CERTBOT}/lib"])
    return program


def packaged(name: str) -> str | None:
    """A program that Debian has, installed if that is possible."""
    found = shutil.which(name)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        options = ["-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
        _quietly(["apt-get", "install", *options, name])
        found = shutil.which(name)
    return found


def _quietly(argv: Sequence[str]) -> bool:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["DEBIAN_FRONTEND"] = "noninteractive"
    return subprocess.run(argv, env=env, capture_output=True, check=False).returncode == 0


def all_peers(say: Callable[[str], None]) -> dict[str, Peer]:
    """Those that are here; who is missing is named."""
    found = {}
    for name, get, register, issue in (
        ("certbot", certbot, _certbot_register, _certbot_issue),
        ("lego", lambda: packaged("lego"), _lego_register, _lego_issue),
        ("dehydrated", lambda: packaged("dehydrated"), _dehydrated_register, _dehydrated_issue),
        ("uacme", lambda: packaged("uacme"), _uacme_register, _uacme_issue),
    ):
        program = get()
        if program is None:
            say(f"{name} is missing: its rows are left out")
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


def variables(more: Mapping[str, str]) -> dict[str, str]:
    return dict(more)
