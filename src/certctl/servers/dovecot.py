"""A Dovecot's configuration, 2.2 to 2.4: by doveconf, or read by itself."""

from __future__ import annotations

import re
from typing import NamedTuple

from certctl.errors import CertctlError
from certctl.servers.dovecot_form import Block, parse
from certctl.servers.files import read_text
from certctl.servers.program import run_program

PAIRS = (
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
        raise CertctlError(f"cannot read {path}", hint="name the file: --dovecot /etc/dovecot/dovecot.conf")
    printed = run_program(["doveconf", "-n", "-P", "-c", path]) if ask_doveconf else None
    if printed is None:
        return Dovecot(path, parse(text, path))
    version = _VERSION.match(printed)
    return Dovecot(path, parse(printed, path), tuple(map(int, version.groups())) if version else ())


def file_of(value: str) -> str:
    """The file of a setting: `</path` before 2.4, `/path` in 2.4; empty for what is written in place."""
    path = value.removeprefix("<").strip()
    return path if path.startswith("/") and (value.startswith("<") or "\n" not in value) else ""
