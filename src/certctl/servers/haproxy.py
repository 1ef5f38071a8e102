"""HAProxy's configuration: its lines, and the bundles of its bind lines (configuration manual §3.1, §5.1)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.servers.files import read_text

_NO_BUNDLE = (".key", ".issuer", ".ocsp", ".sctl", ".dh", ".ocsp.pem")


class Line(NamedTuple):
    """One line that is not empty, in words."""

    path: str
    number: int
    words: tuple[str, ...]

    @property
    def subject(self) -> str:
        """Where it stands, for people."""
        return f"haproxy {self.path} line {self.number}"

    @property
    def arguments(self) -> list[tuple[str, str]]:
        """Each word with the one that follows it."""
        return list(zip(self.words, [*self.words[1:], ""], strict=True))

    @property
    def is_tls(self) -> bool:
        """Whether it is a bind line that speaks TLS."""
        return self.words[0] == "bind" and "ssl" in self.words


def read_haproxy(path: str) -> list[Line]:
    """Read the file *path*, or every .cfg in the directory. Raises CertctlError if it cannot be read."""
    return [line for name in _files(path) for line in _read(name)]


def crt_base(lines: Sequence[Line]) -> str:
    """The directory that relative bundles are below; empty: that of the process."""
    return next((line.words[1] for line in lines if line.words[0] == "crt-base" and len(line.words) > 1), "")


def bundles(line: Line, base: str) -> list[str]:
    """The files that the bind line *line* names by crt and crt-list, directories and kinds taken apart."""
    named = [os.path.join(base, value) for word, value in line.arguments if word == "crt"]
    for word, value in line.arguments:
        if word == "crt-list":
            named += _listed(value, base)
    return [path for bundle in named for path in _expand(bundle)]


def _files(path: str) -> list[str]:
    if os.path.isdir(path):
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".cfg")]
    return [path]


def _read(path: str) -> Iterator[Line]:
    text = read_text(path)
    if text is None:
        raise CertctlError(f"cannot read {path}", hint="name the file: --haproxy /etc/haproxy/haproxy.cfg")
    for number, raw in enumerate(text.split("\n"), 1):
        try:
            words = shlex.split(raw, comments=True)
        except ValueError:  # a quote that does not end: HAProxy will say so itself
            words = raw.split()
        if words:
            yield Line(path, number, tuple(words))


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
