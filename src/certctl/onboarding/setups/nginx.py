"""What an nginx serves: the certificates of each server block that speaks TLS."""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.onboarding.setups.setup import Hook, Setup, Use, direct_scheme, endpoint, unique, url
from certctl.servers.nginx import Server, read_nginx

_MAIL = {"imap": ("imap", 143), "pop3": ("pop3", 110), "smtp": ("smtp", 25)}
_MAIL_PORTS = {port: scheme for scheme, port in _MAIL.values()} | {587: "smtp"}


def nginx_setup(path: str, hook: Hook) -> Setup:
    """Look at the configuration *path*. Raises CertctlError if it cannot be read."""
    servers = [one for one in read_nginx(path) if one.speaks_tls]
    usual = path == "/etc/nginx/nginx.conf"
    return Setup(
        "nginx",
        "nginx",
        path,
        hook,
        f"{os.path.dirname(path)}/tls",
        "nginx -t && nginx -s reload" if usual else f"nginx -c {path} -t && nginx -c {path} -s reload",
        tuple(use for server in servers for use in _uses(server)),
        unique(
            server.file(one) for server in servers for one in server.all("ssl_dhparam") if server.file(one)
        ),
    )


def _uses(server: Server) -> Iterator[Use]:
    certificates, keys = server.all("ssl_certificate"), server.all("ssl_certificate_key")
    if not certificates and any(one.arguments == ("on",) for one in server.all("ssl_reject_handshake")):
        return
    files = [server.file(one) for pair in zip(keys, certificates, strict=False) for one in pair]
    if not all(files):
        return
    where = f"# in {server.directive.path}, the server of line {server.directive.line}:"
    yield Use(
        server.subject,
        unique(files),
        unique(name for one in server.all("server_name") for word in one.arguments for name in _names(word)),
        unique(_probes(server)),
        (f"{where} ssl_certificate {{bundle}}; ssl_certificate_key {{bundle}};",),
    )


def _names(word: str) -> list[str]:
    """What a word of server_name stands for; nothing for regular expressions, variables and catch-alls."""
    if word.startswith("."):
        return [word[1:], f"*{word}"]
    named = "." in word and not word.startswith("~") and "$" not in word and not word.endswith(".*")
    return [word] if named else []


def _probes(server: Server) -> Iterator[str]:
    switched = any(one.arguments[:1] == ("on",) for one in server.all("ssl"))
    for one in server.all("listen"):
        place = endpoint(one.arguments[0]) if one.arguments else None
        if place is None or "quic" in one.arguments:
            continue
        host, word = place
        if not word.isdigit():
            host, word = word, "80"
        port, direct = int(word), switched or "ssl" in one.arguments
        if server.context == "mail":
            yield from _mail(server, host, port, direct=direct)
        elif direct:
            http = server.context == "http"
            yield url("https" if http else direct_scheme(port), host, port)


def _mail(server: Server, host: str, port: int, *, direct: bool) -> Iterator[str]:
    protocol = next((one.arguments[0] for one in server.all("protocol") if one.arguments), "")
    scheme = _MAIL[protocol][0] if protocol in _MAIL else _MAIL_PORTS.get(port, "")
    if direct:
        yield url(f"{scheme}s" if scheme else direct_scheme(port), host, port)
    elif scheme:
        yield url(scheme, host, port)
