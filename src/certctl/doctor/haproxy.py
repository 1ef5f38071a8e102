"""HAProxy: bundles of its bind lines, protocols, ciphers and DH sizes (configuration manual §3.1, §5.1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

from certctl.doctor.chain import Scene
from certctl.doctor.ciphers import weak_words
from certctl.doctor.dh import Advice, check_dh
from certctl.doctor.finding import Finding, Place
from certctl.doctor.pem_files import Findings, check_pair
from certctl.doctor.protocols import at_least, old_in
from certctl.servers.haproxy import Line, bundles, crt_base, read_haproxy

RELOAD = "haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy"


def check_haproxy(path: str, now: datetime) -> Findings:
    """Check the file *path*, or every .cfg in the directory. Raises CertctlError if it cannot be read."""
    lines = read_haproxy(path)
    base = crt_base(lines)
    seen: set[str] = set()
    for line in lines:
        if line.is_tls:
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
            yield from check_dh(_place(line), line.words[1], advice)


def _place(line: Line) -> Place:
    return Place(line.subject, "haproxy")


def _check_bind(line: Line, base: str, now: datetime, seen: set[str]) -> Findings:
    scene = Scene(_place(line), now, reload=RELOAD)
    if not {"crt", "crt-list"} & set(line.words):
        yield _place(line).error(
            "no-certificate", "ssl without crt: no handshake succeeds", f"crt BUNDLE; {RELOAD}"
        )
    for path in bundles(line, base):
        if path not in seen:
            seen.add(path)
            beside = f"{path}.key"
            yield from check_pair(scene, path, beside if os.path.exists(beside) else path)
    yield from _check_options(line, line.words)
    for word, value in line.arguments:
        if word == "ciphers":
            yield from _check_ciphers(line, value)


def _check_options(line: Line, words: tuple[str, ...]) -> Iterator[Finding]:
    fix = f"ssl-min-ver TLSv1.2; {RELOAD}"
    for word, value in zip(words, [*words[1:], ""], strict=True):
        old: list[str] = []
        if word == "ssl-min-ver":
            old = [version for version in old_in(at_least(value)) if version != "SSLv2"]
        elif word.startswith("force-"):
            version = {"force-sslv3": "SSLv3", "force-tlsv10": "TLSv1", "force-tlsv11": "TLSv1.1"}.get(word)
            old = [version] if version else []
        if old:
            yield _place(line).warning(
                "old-protocol", f"{word} {value} leaves {', '.join(old)} on (RFC 8996)", fix
            )


def _check_ciphers(line: Line, cipher_list: str) -> Iterator[Finding]:
    weak = weak_words(cipher_list)
    if weak:
        said = ", ".join(f"{word} ({why})" for word, why in weak.items())
        yield _place(line).warning("weak-cipher", f"ciphers let in {said}", f"take those words out; {RELOAD}")


def _check_dh_size(line: Line, bits: int) -> Iterator[Finding]:
    if bits < 2048:
        yield _place(line).warning(
            "dh-small", f"tune.ssl.default-dh-param {bits}: such DH primes can be broken",
            f"tune.ssl.default-dh-param 2048, or take it out; {RELOAD}",
        )  # fmt: skip
