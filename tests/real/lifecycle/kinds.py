"""The servers of the lifecycle tests, each in a few words: ports, files, hook, and what it says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tests.real.servers import dovecot, exim, haproxy, nginx, postfix

SMTP, SMTPS = ("smtp", "smtp", "smtp"), ("smtps", "smtps", None)
HTTPS = (("https", "https", None),)


class Kind(NamedTuple):
    """One kind of server. What takes a server is given one of its own module."""

    name: str
    programs: tuple[str, ...]
    """What has to be installed."""
    put_up: Callable[[str, Sequence[str]], AbstractContextManager[Any]]
    """In this directory, serving these files."""
    serving: Callable[[Any], AbstractContextManager[subprocess.Popen[bytes]]]
    """Once more, after it has been ended."""
    ports: tuple[tuple[str, str, str | None], ...]
    """Each TLS port: scheme of its URL, field of the server, protocol of STARTTLS."""
    hook: Callable[[Any], list[str]]
    """The arguments of its shipped hook."""
    mark: str
    """What stands in the log, once for each reload."""
    nonsense: str
    """A line that breaks the configuration wherever it stands first."""
    refusal: str
    """What the server's own check says of that line."""
    config: Callable[[Any], str] = lambda server: str(server.config_file)
    """The file that names the certificates."""
    fragile: Callable[[Any], str] = lambda server: str(server.config_file)
    """The file that can be broken without harm to the running server."""
    variant: str = ""
    """What sets it apart from another of the same name."""
    reloads: int = 1
    """How many each change takes."""
    one_file: bool = False
    """Whether one bundle holds both algorithms."""
    reads_by_itself: bool = False
    """Whether new files are served, by some processes, without a reload."""
    name_asked: str | None = None
    """What a peer has to ask for by SNI to get either algorithm."""
    group: str | None = None
    """Who may read the files, besides root."""

    @property
    def label(self) -> str:
        return self.name + self.variant


def _exim(directory: str, files: Sequence[str]) -> AbstractContextManager[exim.Exim]:
    os.chmod(directory, 0o777)  # its logs are written by the user that it runs as
    return exim.exim(directory, " : ".join(files), user="Debian-exim", group="Debian-exim")


POSTFIX = Kind(
    "postfix",
    ("postfix",),
    lambda directory, files: postfix.postfix(directory, chain_files=files),
    postfix.serving,
    (SMTP, SMTPS, ("smtp", "submission", "smtp")),
    lambda server: ["--config-dir", server.directory],
    mark="reload -- version",
    nonsense="nonsense",
    refusal="bad field count",
    config=lambda server: f"{server.directory}/main.cf",
    fragile=lambda server: f"{server.directory}/master.cf",
    one_file=True,
    reads_by_itself=True,
)
DOVECOT = Kind(
    "dovecot",
    ("dovecot",),
    lambda directory, files: dovecot.dovecot(directory, files[0], alternative=files[1]),
    dovecot.serving,
    (
        ("imap", "imap", "imap"),
        ("imaps", "imaps", None),
        ("pop3", "pop3", "pop3"),
        ("pop3s", "pop3s", None),
        ("lmtp", "lmtp", "lmtp"),
    ),
    lambda server: ["--config", server.config_file],
    mark="SIGHUP received",
    nonsense="no_such_setting = yes",
    refusal="Unknown setting: no_such_setting",
)
NGINX = Kind(
    "nginx",
    ("nginx",),
    lambda directory, files: nginx.nginx(directory, *files),
    nginx.serving,
    HTTPS,
    lambda server: ["--config", server.config_file],
    mark="(SIGHUP) received",
    nonsense="no_such_directive on;",
    refusal='unknown directive "no_such_directive"',
)
HAPROXY = Kind(
    "haproxy",
    ("haproxy",),
    lambda directory, files: haproxy.haproxy(directory, os.path.dirname(files[0])),
    haproxy.serving,
    HTTPS,
    lambda server: ["--config", server.config_file, "--pid-file", server.pid_file],
    mark="Reloading HAProxy",
    nonsense="no-such-keyword",
    refusal="unknown keyword 'no-such-keyword'",
    name_asked="mx.example.test",
)
EXIM = Kind(
    "exim",
    ("exim4",),
    _exim,
    exim.serving,
    (SMTP, SMTPS),
    lambda server: ["--config", server.config_file],
    mark="SIGHUP received: re-exec daemon",
    nonsense="no_such_option",
    refusal='"no_such_option" unknown',
    reads_by_itself=True,
    group="Debian-exim",
)
HAPROXY_API = HAPROXY._replace(
    variant="-api",
    programs=("haproxy", "socat"),
    hook=lambda server: [*HAPROXY.hook(server), "--socket", server.socket],
    reloads=0,
)
KINDS = (POSTFIX, DOVECOT, NGINX, HAPROXY, HAPROXY_API, EXIM)
