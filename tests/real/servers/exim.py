"""Exim of its own: SMTP with STARTTLS and with TLS from the start; accepts and throws away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon
from tests.real.servers.require import program, root
from tests.real.servers.scratch import write

_CONFIG = """\
exim_path = {binary}
primary_hostname = mx.example.test
spool_directory = {directory}/spool
log_file_path = {directory}/exim-%slog
pid_file_path = {directory}/exim.pid
exim_user = {user}
exim_group = {group}
never_users =
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {smtp} : {smtps}
tls_on_connect_ports = {smtps}
tls_advertise_hosts = *
tls_certificate = {bundle}
tls_privatekey = {bundle}
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = accept
{extra}
begin routers
discard:
  driver = redirect
  data = :blackhole:
"""


class Exim(NamedTuple):
    """A running server; it reads its key and certificate as *user*."""

    config_file: str
    smtp: int
    smtps: int
    pid: int
    user: str
    log_file: str

    def reload(self) -> None:
        """Let the daemon start itself anew, as the system's service does."""
        os.kill(self.pid, signal.SIGHUP)


@contextlib.contextmanager
def exim(
    directory: str, bundle: str, *, user: str = "root", group: str = "root", extra: str = ""
) -> Iterator[Exim]:
    """Run Exim below *directory*, serving *bundle* (key, leaf, intermediates). *extra*: main section."""
    root("exim")
    binary, smtp, smtps = program("exim4"), free_port(), free_port()
    os.mkdir(os.path.join(directory, "spool"))
    config_file = write(os.path.join(directory, "exim.conf"), _CONFIG.format(**locals()))
    server = Exim(config_file, smtp, smtps, 0, user, os.path.join(directory, "exim-mainlog"))
    with serving(server) as child:
        yield server._replace(pid=child.pid)


def serving(server: Exim) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a server that is configured already; once more, after it has been ended."""
    argv = [program("exim4"), "-C", server.config_file, "-bdf", "-q1h"]
    log = os.path.join(os.path.dirname(server.config_file), "exim.out")
    return daemon(argv, log=log, ready=partial(accepts, server.smtp, b"220 "))
