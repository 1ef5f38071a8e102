"""Which TLS servers are installed and configured here: files are looked for, no program is run."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from typing import NamedTuple

from certctl.errors import UnreadableError
from certctl.system.files import read_file


class Found(NamedTuple):
    """One installed and configured server, and how it would use a bundle."""

    hook: str
    """Name of the shipped hook that reloads it."""
    title: str
    """Its name for people."""
    config: str
    """Its main configuration file."""
    program: str
    directory: str
    """Where its bundle goes; may not exist yet."""
    mode: int = 0o600
    """Of the bundle."""
    group: str | None = None
    """Of the bundle; None: nothing special."""
    probes: tuple[str, ...] = ()
    """Where it would serve the certificate."""
    usage: tuple[str, ...] = ()
    """What makes it use the bundle, to be typed or configured, line by line, with "{bundle}" for its path."""


class _Known(NamedTuple):
    """A server is there when one of *configs* and one of *programs* is.

    A package that was removed leaves the former; one that was never set up lacks it.
    """

    hook: str
    title: str
    configs: tuple[str, ...]
    """Debian's place first, then those of other Linux distributions and of FreeBSD."""
    programs: tuple[str, ...]
    probes: tuple[str, ...]
    usage: tuple[str, ...]


_KNOWN = (
    _Known(
        "postfix",
        "Postfix",
        ("/etc/postfix/main.cf", "/usr/local/etc/postfix/main.cf"),
        ("/usr/sbin/postfix", "/usr/local/sbin/postfix", "/usr/bin/postfix"),
        ("smtp://127.0.0.1:25",),
        ("postconf -e 'smtpd_tls_chain_files = {bundle}'", "postconf -e smtpd_tls_security_level=may"),
    ),
    _Known(
        "dovecot",
        "Dovecot",
        ("/etc/dovecot/dovecot.conf", "/usr/local/etc/dovecot/dovecot.conf"),
        ("/usr/sbin/dovecot", "/usr/local/sbin/dovecot", "/usr/bin/dovecot"),
        ("imap://127.0.0.1:143",),
        (
            "before 2.4:  ssl_cert = <{bundle}",
            "             ssl_key = <{bundle}",
            "since 2.4:   ssl_server_cert_file = {bundle}",
            "             ssl_server_key_file = {bundle}",
        ),
    ),
    _Known(
        "exim",
        "Exim",
        (
            "/etc/exim4/update-exim4.conf.conf",
            "/etc/exim4/exim4.conf",
            "/etc/exim/exim.conf",
            "/etc/mail/exim.conf",
            "/usr/local/etc/exim/configure",
        ),
        ("/usr/sbin/exim4", "/usr/sbin/exim", "/usr/bin/exim", "/usr/local/sbin/exim"),
        ("smtp://127.0.0.1:25",),
        ("tls_certificate = {bundle}", "tls_privatekey = {bundle}"),
    ),
    _Known(
        "nginx",
        "nginx",
        ("/etc/nginx/nginx.conf", "/usr/local/etc/nginx/nginx.conf"),
        ("/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"),
        ("https://127.0.0.1:443",),
        ("ssl_certificate {bundle};", "ssl_certificate_key {bundle};"),
    ),
    _Known(
        "haproxy",
        "HAProxy",
        ("/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"),
        ("/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy"),
        ("https://127.0.0.1:443",),
        ("bind :443 ssl crt {bundle}",),
    ),
)

# Exim reads its key at each connection, as the user that it runs as.
_EXIM_GROUPS = ("Debian-exim", "exim", "mailnull")


def detect(root: str = "/") -> list[Found]:
    """Give what is set up below *root*, mail servers first; the paths in it are those inside *root*."""
    found = []
    for known in _KNOWN:
        config = _first(root, known.configs)
        program = _first(root, known.programs)
        if config is None or program is None:
            continue
        group = _exim_group(root) if known.hook == "exim" else None
        found.append(
            Found(
                hook=known.hook,
                title=known.title,
                config=config,
                program=program,
                directory=f"{os.path.dirname(config)}/tls",
                mode=0o600 if group is None else 0o640,
                group=group,
                probes=known.probes,
                usage=known.usage,
            )
        )
    return found


def _first(root: str, paths: Sequence[str]) -> str | None:
    return next((path for path in paths if os.path.isfile(os.path.join(root, path[1:]))), None)


def _exim_group(root: str) -> str | None:
    try:
        data = read_file(os.path.join(root, "etc/group"), follow=True) or b""
    except UnreadableError:
        return None
    groups = {line.partition(":")[0] for line in data.decode(errors="replace").splitlines()}
    return next((name for name in _EXIM_GROUPS if name in groups), None)
