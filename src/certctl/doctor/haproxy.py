"""HAProxy: bundles of its bind lines, protocols, ciphers and DH sizes (configuration manual §3.1, §5.1)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.files import read_text
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.protocols import at_least, old_in
from certctl.errors import CertctlError

RELOAD = "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy"
_NO_BUNDLE = (".key", ".issuer", ".ocsp", ".sctl", ".dh", ".ocsp.pem")


class _Line(NamedTuple):
    path: str
    number: int
    words: tuple[str, ...]

    @property
    def place(self) -> Place:
        return Place(f"haproxy {self.path} line {self.number}", "haproxy")


def check_haproxy(path: str, now: datetime) -> Findings:
    """Check the file *path*, or every .cfg in the directory. Raises CertctlError if it cannot be read."""
    lines = [line for name in _files(path) for line in _read(name)]
    base = next((line.words[1] for line in lines if line.words[0] == "crt-base" and len(line.words) > 1), "")
    seen: set[str] = set()
    for line in lines:
        if line.words[0] == "bind" and "ssl" in line.words:
            yield from _check_bind(line, base, now, seen)
        elif line.words[0] in ("ssl-default-bind-options", "ssl-default-server-options"):
            yield from _check_options(line, line.words[1:])
        elif line.words[0] in ("ssl-default-bind-ciphers", "ssl-default-server-ciphers"):
            yield from _check_ciphers(line, " ".join(line.words[1:]))
        elif line.words[0] == "tune.ssl.default-dh-param" and line.words[1:2] and line.words[1].isdigit():
            yield from _check_dh_size(line, int(line.words[1]))
        elif line.words[0] == "ssl-dh-param-file" and len(line.words) > 1:
            why = "without a DH file HAProxy offers no DHE, and clients of today use ECDHE"
            advice = Advice(f"take ssl-dh-param-file out; {RELOAD}", why, reload=RELOAD)
            yield from check_dh(line.place, line.words[1], advice)


def _files(path: str) -> list[str]:
    if os.path.isdir(path):
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".cfg")]
    return [path]


def _read(path: str) -> Iterator[_Line]:
    text = read_text(path)
    if text is None:
        raise CertctlError(
            f"cannot read {path}", hint="name the file: certctl doctor --haproxy /etc/haproxy/haproxy.cfg"
        )
    for number, raw in enumerate(text.split("\n"), 1):
        try:
            words = shlex.split(raw, comments=True)
        except ValueError:  # a quote that does not end: HAProxy will say so itself
            words = raw.split()
        if words:
            yield _Line(path, number, tuple(words))


def _check_bind(line: _Line, base: str, now: datetime, seen: set[str]) -> Findings:
    scene = Scene(line.place, now, reload=RELOAD)
    arguments = list(zip(line.words, [*line.words[1:], ""], strict=True))
    bundles = [os.path.join(base, value) for word, value in arguments if word == "crt"]
    lists = [value for word, value in arguments if word == "crt-list"]
    if not bundles and not lists:
        yield line.place.error(
            "no-certificate", "ssl without crt: no handshake succeeds", f"crt BUNDLE; {RELOAD}"
        )
    for name in lists:
        bundles += _listed(name, base)
    for bundle in bundles:
        for path in _expand(bundle):
            if path not in seen:
                seen.add(path)
                beside = f"{path}.key"
                yield from check_pair(scene, path, beside if os.path.exists(beside) else path)
    yield from _check_options(line, line.words)
    for word, value in arguments:
        if word == "ciphers":
            yield from _check_ciphers(line, value)


def _listed(name: str, base: str) -> list[str]:
    lines = (raw.split("#")[0].split() for raw in (read_text(name) or "").split("\n"))
    return [os.path.join(base, words[0]) for words in lines if words]


def _expand(bundle: str) -> list[str]:
    """The files of a crt argument: all of a directory, or NAME.rsa and NAME.ecdsa where there is no NAME."""
    if os.path.isdir(bundle):
        names = sorted(os.listdir(bundle))
        return [
            os.path.join(bundle, name)
            for name in names
            if not name.startswith(".") and not name.endswith(_NO_BUNDLE)
        ]
    parts = [f"{bundle}.{kind}" for kind in ("rsa", "ecdsa", "dsa") if os.path.exists(f"{bundle}.{kind}")]
    return parts if parts and not os.path.exists(bundle) else [bundle]


def _check_options(line: _Line, words: tuple[str, ...]) -> Iterator[Finding]:
    fix = f"ssl-min-ver TLSv1.2; {RELOAD}"
    for word, value in zip(words, [*words[1:], ""], strict=True):
        old: list[str] = []
        if word == "ssl-min-ver":
            old = [version for version in old_in(at_least(value)) if version != "SSLv2"]
        elif word.startswith("force-"):
            version = {"force-sslv3": "SSLv3", "force-tlsv10": "TLSv1", "force-tlsv11": "TLSv1.1"}.get(word)
            old = [version] if version else []
        if old:
            yield line.place.warning(
                "old-protocol", f"{word} {value} leaves {', '.join(old)} on (RFC 8996)", fix
            )


def _check_ciphers(line: _Line, cipher_list: str) -> Iterator[Finding]:
    weak = weak_words(cipher_list)
    if weak:
        said = ", ".join(f"{word} ({why})" for word, why in weak.items())
        yield line.place.warning("weak-cipher", f"ciphers let in {said}", f"take those words out; {RELOAD}")


def _check_dh_size(line: _Line, bits: int) -> Iterator[Finding]:
    if bits < 2048:
        yield line.place.warning(
            "dh-small", f"tune.ssl.default-dh-param {bits}: such DH primes can be broken",
            f"tune.ssl.default-dh-param 2048, or take it out; {RELOAD}",
        )  # fmt: skip
