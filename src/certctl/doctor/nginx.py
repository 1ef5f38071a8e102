"""nginx: the keys of each server, protocols, ciphers and DH files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.protocols import old_in
from certctl.servers.nginx import Server, read_nginx
from certctl.servers.nginx_form import Directive

RELOAD = "nginx -t && nginx -s reload"


def check_nginx(path: str, now: datetime) -> Findings:
    """Check the configuration *path*. Raises CertctlError if it cannot be read."""
    said: set[object] = set()
    for server in read_nginx(path):
        yield from _check_server(server, now, said)


def _check_server(server: Server, now: datetime, said: set[object]) -> Findings:
    place = Place(server.subject, "nginx")
    scene = Scene(place, now, reload=RELOAD)
    if not server.speaks_tls:
        return
    certificates, keys = server.all("ssl_certificate"), server.all("ssl_certificate_key")
    if not certificates:
        if not any(one.arguments == ("on",) for one in server.all("ssl_reject_handshake")):
            yield place.error("no-certificate", "TLS without ssl_certificate: no handshake succeeds",
                              f"ssl_certificate BUNDLE; ssl_certificate_key BUNDLE; {RELOAD}")  # fmt: skip
        return
    for certificate, key in zip(certificates, keys, strict=False):
        pair = (server.file(certificate), server.file(key))
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
        for finding in check(server):
            if finding not in said:
                said.add(finding)
                yield finding


def _place(directive: Directive) -> Place:
    return Place(f"nginx {directive.path} line {directive.line}", "nginx")


def _check_protocols(server: Server) -> Iterator[Finding]:
    for one in server.all("ssl_protocols"):
        old = old_in(set(one.arguments))
        if old:
            yield _place(one).warning(
                "old-protocol", f"ssl_protocols has {', '.join(old)} (RFC 8996)",
                f"ssl_protocols TLSv1.2 TLSv1.3; {RELOAD}",
            )  # fmt: skip


def _check_ciphers(server: Server) -> Iterator[Finding]:
    for one in server.all("ssl_ciphers"):
        weak = weak_words(" ".join(one.arguments))
        if weak:
            said = ", ".join(f"{word} ({why})" for word, why in weak.items())
            yield _place(one).warning(
                "weak-cipher", f"ssl_ciphers lets in {said}", f"ssl_ciphers HIGH:!aNULL:!MD5; {RELOAD}"
            )


def _check_dh(server: Server) -> Iterator[Finding]:
    for one in server.all("ssl_dhparam"):
        path = server.file(one)
        if path:
            why = "without a DH file nginx offers no DHE, and clients of today use ECDHE"
            advice = Advice(f"take ssl_dhparam out; {RELOAD}", why, reload=RELOAD)
            yield from check_dh(_place(one), path, advice)
