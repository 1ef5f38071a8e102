"""Keys and certificates that a Postfix serves, or shows as a client."""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.doctor.chain import Scene
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_chain_files, check_pair
from certctl.errors import CertctlError
from certctl.servers.files import Content, read
from certctl.servers.postfix import PAIRS, Postfix
from certctl.servers.postfix_parse import Service
from certctl.x509 import pem
from certctl.x509.certificate import load


def check_keys(postfix: Postfix, scene: Scene) -> Findings:
    """Check what the main configuration serves and shows, and what single services do instead."""
    roots = tuple(path for side in ("smtpd", "smtp") if (path := postfix.file(f"{side}_tls_CAfile")))
    scene = scene._replace(roots=roots)
    yield from _check_side(postfix, scene, "smtpd", None)
    for client in ("smtp", "lmtp"):
        yield from _check_side(postfix, scene, client, None)
    for service in postfix.services:
        side = "smtp" if service.command == "smtp" else service.command
        if any(name.startswith(f"{side}_tls_") and name.endswith("_file") for name in service.options) or (
            f"{side}_tls_chain_files" in service.options
        ):
            place = Place(f"postfix {postfix.directory}/master.cf {service.key}", "postfix")
            yield from _check_side(postfix, scene._replace(place=place), side, service)
    yield from _check_no_certificate(postfix, scene)
    yield from _check_ca_file(postfix, scene, "smtpd")
    yield from _check_ca_file(postfix, scene, "smtp")


def _check_side(postfix: Postfix, scene: Scene, side: str, service: Service | None) -> Findings:
    chain_files = postfix.files(f"{side}_tls_chain_files", service)
    pairs = postfix.pairs(side, service)
    if chain_files:
        yield from check_chain_files(scene, chain_files)
        if pairs and service is None:
            yield scene.place.info(
                "both-forms",
                f"{side}_tls_chain_files is set, so {side}_tls_cert_file and its like do not count",
                f"{postfix.conf} -X {' '.join(_set_names(postfix, side))}",
            )
        return
    for certificate, key in pairs:
        yield from check_pair(scene, certificate, key)
        if certificate != key and side == "smtpd" and postfix.at_least(3, 4):
            yield scene.place.info(
                "two-files",
                f"{certificate} and {key} cannot be replaced at one moment: a process may meet a mismatch",
                _in_one_file(postfix, certificate),
                certificate,
            )


def _in_one_file(postfix: Postfix, certificate: str) -> str:
    bundle = f"{os.path.splitext(certificate)[0]}-bundle.pem"
    return (
        f'in certctl.toml, [[certificate."NAME".file]] with path = "{bundle}" and the hooks of these two; '
        f"certctl run; {postfix.conf} -e 'smtpd_tls_chain_files = {bundle}'; {postfix.reload}"
    )


def _set_names(postfix: Postfix, side: str) -> list[str]:
    names = (f"{side}_tls_{part}_file" for pair in PAIRS for part in pair)
    return [name for name in names if name in postfix.explicit]


def _check_no_certificate(postfix: Postfix, scene: Scene) -> Iterator[Finding]:
    level = postfix.get("smtpd_tls_security_level")
    offered = level in ("may", "encrypt") or (not level and postfix.is_yes("smtpd_use_tls"))
    if offered and not postfix.words("smtpd_tls_chain_files") and not postfix.pairs("smtpd"):
        yield scene.place.error(
            "no-certificate",
            "TLS is switched on, but no certificate is configured: TLS not available due to local problem",
            f"have certctl init make one, and type what it says; or name the BUNDLE that there is: "
            f"{postfix.conf} -e 'smtpd_tls_chain_files = BUNDLE'; {postfix.reload}",
        )


def _check_ca_file(postfix: Postfix, scene: Scene, side: str) -> Iterator[Finding]:
    """A CAfile that cannot be loaded keeps TLS from starting; one's own certificate in it is of no use."""
    path = postfix.file(f"{side}_tls_CAfile")
    if not path:
        return
    remove = f"{postfix.conf} -X {side}_tls_CAfile, or name a file with CA certificates"
    content = read(path)
    if not isinstance(content, Content):
        yield scene.place.error("cafile-broken", f"{side}_tls_CAfile: {content.message}", remove)
        return
    try:
        certificates = [load(text) for text in pem.certificates(content.data)]
    except CertctlError as error:
        yield scene.place.error("cafile-broken", f"{side}_tls_CAfile: {path}: {error.message}", remove)
        return
    if not certificates:
        yield scene.place.error("cafile-broken", f"{side}_tls_CAfile: {path} holds no certificate", remove)
    elif path in _own_files(postfix, side):
        yield scene.place.warning(
            "cafile-own",
            f"{side}_tls_CAfile = {path} is the server's own certificate: it is for those of CAs of peers",
            remove,
        )


def _own_files(postfix: Postfix, side: str) -> set[str]:
    return {path for path, _ in postfix.pairs(side)} | set(postfix.files(f"{side}_tls_chain_files"))
