"""nginx: the keys of each server, protocols, ciphers and DH files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.files import read_text
from certctl.doctor.finding import Finding, Place
from certctl.doctor.nginx_config import Directive, parse_nginx
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.protocols import old_in
from certctl.errors import CertctlError

RELOAD = "nginx -t && nginx -s reload"
_CONTEXTS = ("http", "mail", "stream")


class _Server(NamedTuple):
    """A server block with what it inherits: the directives of the blocks around it, outermost first."""

    directive: Directive
    levels: tuple[list[Directive], ...]

    def all(self, name: str) -> list[Directive]:
        """The directives *name* that hold here: those of the innermost level that has any."""
        for level in reversed(self.levels):
            found = [one for one in level if one.name == name]
            if found:
                return found
        return []


def check_nginx(path: str, now: datetime) -> Findings:
    """Check the configuration *path*. Raises CertctlError if it cannot be read."""
    text = read_text(path)
    if text is None:
        raise CertctlError(
            f"cannot read {path}", hint="name the file: certctl doctor --nginx /etc/nginx/nginx.conf"
        )
    base = os.path.dirname(os.path.abspath(path))
    tree = parse_nginx(text, path, base)
    said: set[object] = set()
    for server in _servers(tree):
        yield from _check_server(server, base, now, said)


def _servers(tree: list[Directive]) -> Iterator[_Server]:
    for context in tree:
        if context.name in _CONTEXTS and context.block is not None:
            for one in context.block:
                if one.name == "server" and one.block is not None:
                    yield _Server(one, (tree, context.block, one.block))


def _check_server(server: _Server, base: str, now: datetime, said: set[object]) -> Findings:
    names = server.all("server_name")
    name = f" ({names[0].arguments[0]})" if names and names[0].arguments else ""
    place = Place(f"nginx {server.directive.path} line {server.directive.line}{name}", "nginx")
    scene = Scene(place, now, reload=RELOAD)
    if not _speaks_tls(server):
        return
    certificates, keys = server.all("ssl_certificate"), server.all("ssl_certificate_key")
    if not certificates:
        if not any(one.arguments == ("on",) for one in server.all("ssl_reject_handshake")):
            yield place.error("no-certificate", "TLS without ssl_certificate: no handshake succeeds",
                              f"ssl_certificate BUNDLE; ssl_certificate_key BUNDLE; {RELOAD}")  # fmt: skip
        return
    for certificate, key in zip(certificates, keys, strict=False):
        pair = (_file(certificate, base), _file(key, base))
        if all(pair) and pair not in said:
            said.add(pair)
            yield from check_pair(scene, *pair)
    if len(keys) != len(certificates):
        yield place.error(
            "key-missing",
            f"{len(certificates)} ssl_certificate, but {len(keys)} ssl_certificate_key",
            f"one ssl_certificate_key for each, in the same order; {RELOAD}",
        )
    for check in (_check_protocols, _check_ciphers, _check_dh):
        for finding in check(server, base):
            if finding not in said:
                said.add(finding)
                yield finding


def _speaks_tls(server: _Server) -> bool:
    listens = any("ssl" in one.arguments or "quic" in one.arguments for one in server.all("listen"))
    switched = any(one.arguments[:1] == ("on",) for one in server.all("ssl"))
    starttls = any(one.arguments[:1] in (("on",), ("only",)) for one in server.all("starttls"))
    return listens or switched or starttls


def _file(directive: Directive, base: str) -> str:
    """The file that a directive names; empty for variables, engines and inline data."""
    name = directive.arguments[0] if directive.arguments else ""
    if not name or "$" in name or name.startswith(("data:", "engine:", "store:")):
        return ""
    return os.path.join(base, name)


def _place(directive: Directive) -> Place:
    return Place(f"nginx {directive.path} line {directive.line}", "nginx")


def _check_protocols(server: _Server, _base: str) -> Iterator[Finding]:
    for one in server.all("ssl_protocols"):
        old = old_in(set(one.arguments))
        if old:
            yield _place(one).warning(
                "old-protocol", f"ssl_protocols has {', '.join(old)} (RFC 8996)",
                f"ssl_protocols TLSv1.2 TLSv1.3; {RELOAD}",
            )  # fmt: skip


def _check_ciphers(server: _Server, _base: str) -> Iterator[Finding]:
    for one in server.all("ssl_ciphers"):
        weak = weak_words(" ".join(one.arguments))
        if weak:
            said = ", ".join(f"{word} ({why})" for word, why in weak.items())
            yield _place(one).warning(
                "weak-cipher", f"ssl_ciphers lets in {said}", f"ssl_ciphers HIGH:!aNULL:!MD5; {RELOAD}"
            )


def _check_dh(server: _Server, base: str) -> Iterator[Finding]:
    for one in server.all("ssl_dhparam"):
        path = _file(one, base)
        if path:
            why = "without a DH file nginx offers no DHE, and clients of today use ECDHE"
            advice = Advice(f"take ssl_dhparam out; {RELOAD}", why, reload=RELOAD)
            yield from check_dh(_place(one), path, advice)
