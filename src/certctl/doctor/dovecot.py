"""Dovecot 2.2 to 2.4: its keys, protocols, ciphers, DH file, and passwords in clear text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.protocols import VERSIONS, at_least, old_in
from certctl.servers.dovecot import PAIRS, Dovecot, file_of
from certctl.servers.dovecot_form import Block


def check_dovecot(dovecot: Dovecot, now: datetime) -> Findings:
    """Check all of it."""
    place = _place(dovecot)
    scene = Scene(place, now, reload=dovecot.reload)
    yield from _check_on(dovecot)
    for block in dovecot.root.below():
        here = place if block is dovecot.root else Place(f"{place.subject} {block.title}", place.prefix)
        yield from _check_keys(scene._replace(place=here), block, dovecot.root)
    yield from _check_clear_text(dovecot)
    yield from _check_protocols(dovecot)
    yield from _check_ciphers(dovecot)
    yield from _check_dh(dovecot)


def _place(dovecot: Dovecot) -> Place:
    return Place(f"dovecot {dovecot.path}", "dovecot")


def _check_on(dovecot: Dovecot) -> Iterator[Finding]:
    if dovecot.get("ssl") == "no":
        fix = f"ssl = required, in 10-ssl.conf; {dovecot.reload}"
        yield _place(dovecot).error("tls-off", "ssl = no: passwords and mail go in clear text", fix)
    elif not any(dovecot.get(certificate) for certificate, _ in PAIRS):
        yield _place(dovecot).error(
            "no-certificate",
            "no certificate is configured, so TLS is not available",
            f"ssl_cert = <BUNDLE and ssl_key = <BUNDLE (2.4: ssl_server_cert_file, ssl_server_key_file); "
            f"{dovecot.reload}",
        )


def _check_keys(scene: Scene, block: Block, root: Block) -> Findings:
    for certificate_name, key_name in PAIRS:
        certificate = file_of(block.settings.get(certificate_name, ""))
        key = file_of(block.settings.get(key_name) or root.settings.get(key_name, ""))
        if certificate and key:
            yield from check_pair(scene, certificate, key)
        elif certificate and key_name not in block.settings and key_name not in root.settings:
            yield scene.place.error(
                "key-missing",
                f"{certificate_name} is set, but {key_name} is not",
                f"{key_name} = <KEY; {scene.reload}",
            )
    for name, value in block.settings.items():
        if name in ("ssl_cert", "ssl_key") and value.startswith("/"):
            yield scene.place.error(
                "no-less-than",
                f"{name} = {value}: without < the name itself is taken for the certificate",
                f"{name} = <{value}; {scene.reload}",
            )


def _check_clear_text(dovecot: Dovecot) -> Iterator[Finding]:
    allowed = dovecot.get("disable_plaintext_auth") == "no" or dovecot.get("auth_allow_cleartext") == "yes"
    reload = dovecot.reload
    if allowed and dovecot.get("ssl") != "required":
        yield _place(dovecot).error(
            "auth-clear",
            "passwords are taken in clear text, without TLS",
            f"ssl = required; disable_plaintext_auth = yes (2.4: auth_allow_cleartext = no); {reload}",
        )


def _check_protocols(dovecot: Dovecot) -> Iterator[Finding]:
    fix = f"ssl_min_protocol = TLSv1.2; {dovecot.reload}"
    lowest, listed = dovecot.get("ssl_min_protocol"), dovecot.get("ssl_protocols")
    enabled: frozenset[str] = frozenset()
    if lowest and lowest != "LATEST":
        enabled = frozenset(VERSIONS) if lowest == "ANY" else at_least(lowest)
        if lowest != "ANY" and lowest not in VERSIONS:
            yield _place(dovecot).error("protocol-syntax", f"ssl_min_protocol = {lowest} is no protocol", fix)
            return
    elif listed:
        words = listed.split()
        banned = {word[1:] for word in words if word.startswith("!")}
        named = {word for word in words if not word.startswith("!")}
        enabled = frozenset((named or set(VERSIONS)) - banned)
    old = [version for version in old_in(enabled) if version != "SSLv2"]
    if old:
        name = "ssl_min_protocol" if lowest else "ssl_protocols"
        yield _place(dovecot).warning("old-protocol", f"{name} leaves {', '.join(old)} on (RFC 8996)", fix)


def _check_ciphers(dovecot: Dovecot) -> Iterator[Finding]:
    weak = weak_words(dovecot.get("ssl_cipher_list"))
    if weak:
        said = ", ".join(f"{word} ({why})" for word, why in weak.items())
        yield _place(dovecot).warning(
            "weak-cipher", f"ssl_cipher_list lets in {said}", f"take ssl_cipher_list out; {dovecot.reload}"
        )


def _check_dh(dovecot: Dovecot) -> Iterator[Finding]:
    path = file_of(dovecot.get("ssl_server_dh_file", "ssl_dh"))
    if path:
        needless = not dovecot.version or dovecot.version >= (2, 3)
        without = f"take ssl_dh (2.4: ssl_server_dh_file) out; {dovecot.reload}" if needless else ""
        why = "no DH file is needed since Dovecot 2.3.3: clients of today use ECDHE"
        yield from check_dh(_place(dovecot), path, Advice(without, why, reload=dovecot.reload))
