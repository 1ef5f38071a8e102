"""Dovecot 2.2 to 2.4: its keys, protocols, ciphers, DH file, and passwords in clear text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from certctl.doctor.block_config import Block, parse
from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.files import read_text
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.program import run_program
from certctl.doctor.protocols import VERSIONS, at_least, old_in
from certctl.errors import CertctlError

_PAIRS = (
    ("ssl_server_cert_file", "ssl_server_key_file"),
    ("ssl_server_alt_cert_file", "ssl_server_alt_key_file"),
    ("ssl_cert", "ssl_key"),
    ("ssl_alt_cert", "ssl_alt_key"),
)
"""2.4's names, then those before."""
_VERSION = re.compile(r"# (\d+)\.(\d+)")


class Dovecot(NamedTuple):
    """A configuration, its includes taken in."""

    path: str
    root: Block
    version: tuple[int, ...] = ()
    """Empty: unknown."""

    @property
    def place(self) -> Place:
        return Place(f"dovecot {self.path}", "dovecot")

    def get(self, *names: str) -> str:
        """The first of *names* that is set at the top."""
        return next((self.root.settings[name] for name in names if name in self.root.settings), "")

    @property
    def reload(self) -> str:
        return (
            "doveadm reload" if self.path == "/etc/dovecot/dovecot.conf" else f"doveadm -c {self.path} reload"
        )


def read_dovecot(path: str, *, ask_doveconf: bool = True) -> Dovecot:
    """Read *path*: by doveconf, else by itself."""
    text = read_text(path)
    if text is None:
        raise CertctlError(
            f"cannot read {path}", hint="name the file: certctl doctor --dovecot /etc/dovecot/dovecot.conf"
        )
    printed = run_program(["doveconf", "-n", "-P", "-c", path]) if ask_doveconf else None
    if printed is None:
        return Dovecot(path, parse(text, path))
    version = _VERSION.match(printed)
    return Dovecot(path, parse(printed, path), tuple(map(int, version.groups())) if version else ())


def check_dovecot(dovecot: Dovecot, now: datetime) -> Findings:
    """Check all of it."""
    place = dovecot.place
    scene = Scene(place, now, reload=dovecot.reload)
    yield from _check_on(dovecot)
    for block in dovecot.root.below():
        here = place if block is dovecot.root else Place(f"{place.subject} {block.title}", place.prefix)
        yield from _check_keys(scene._replace(place=here), block, dovecot.root)
    yield from _check_clear_text(dovecot)
    yield from _check_protocols(dovecot)
    yield from _check_ciphers(dovecot)
    yield from _check_dh(dovecot)


def _check_on(dovecot: Dovecot) -> Iterator[Finding]:
    if dovecot.get("ssl") == "no":
        fix = f"ssl = required, in 10-ssl.conf; {dovecot.reload}"
        yield dovecot.place.error("tls-off", "ssl = no: passwords and mail go in clear text", fix)
    elif not any(dovecot.get(certificate) for certificate, _ in _PAIRS):
        yield dovecot.place.error(
            "no-certificate",
            "no certificate is configured, so TLS is not available",
            f"ssl_cert = <BUNDLE and ssl_key = <BUNDLE (2.4: ssl_server_cert_file, ssl_server_key_file); "
            f"{dovecot.reload}",
        )


def _check_keys(scene: Scene, block: Block, root: Block) -> Findings:
    for certificate_name, key_name in _PAIRS:
        certificate = _path(block.settings.get(certificate_name, ""))
        key = _path(block.settings.get(key_name) or root.settings.get(key_name, ""))
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


def _path(value: str) -> str:
    """The file of a setting: `</path` before 2.4, `/path` in 2.4; empty for what is written in place."""
    path = value.removeprefix("<").strip()
    return path if path.startswith("/") and (value.startswith("<") or "\n" not in value) else ""


def _check_clear_text(dovecot: Dovecot) -> Iterator[Finding]:
    allowed = dovecot.get("disable_plaintext_auth") == "no" or dovecot.get("auth_allow_cleartext") == "yes"
    reload = dovecot.reload
    if allowed and dovecot.get("ssl") != "required":
        yield dovecot.place.error(
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
            yield dovecot.place.error("protocol-syntax", f"ssl_min_protocol = {lowest} is no protocol", fix)
            return
    elif listed:
        words = listed.split()
        banned = {word[1:] for word in words if word.startswith("!")}
        named = {word for word in words if not word.startswith("!")}
        enabled = frozenset((named or set(VERSIONS)) - banned)
    old = [version for version in old_in(enabled) if version != "SSLv2"]
    if old:
        name = "ssl_min_protocol" if lowest else "ssl_protocols"
        yield dovecot.place.warning("old-protocol", f"{name} leaves {', '.join(old)} on (RFC 8996)", fix)


def _check_ciphers(dovecot: Dovecot) -> Iterator[Finding]:
    weak = weak_words(dovecot.get("ssl_cipher_list"))
    if weak:
        said = ", ".join(f"{word} ({why})" for word, why in weak.items())
        yield dovecot.place.warning(
            "weak-cipher", f"ssl_cipher_list lets in {said}", f"take ssl_cipher_list out; {dovecot.reload}"
        )


def _check_dh(dovecot: Dovecot) -> Iterator[Finding]:
    path = _path(dovecot.get("ssl_server_dh_file", "ssl_dh"))
    if path:
        needless = not dovecot.version or dovecot.version >= (2, 3)
        without = f"take ssl_dh (2.4: ssl_server_dh_file) out; {dovecot.reload}" if needless else ""
        why = "no DH file is needed since Dovecot 2.3.3: clients of today use ECDHE"
        yield from check_dh(dovecot.place, path, Advice(without, why, reload=dovecot.reload))
