"""HAProxy of its own, serving https, with its runtime API (management guide, §9.3)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon
from tests.real.servers.require import program
from tests.real.servers.scratch import write

_CONFIG = """\
global
  stats socket {socket} mode 600 level admin expose-fd listeners
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend https
  bind 127.0.0.1:{https} ssl crt {bundle}
  http-request return status 200 content-type text/plain string ok
{extra}
"""


class Haproxy(NamedTuple):
    """A running server under a master process, as the system's service is; *socket* is its runtime API."""

    config_file: str
    https: int
    socket: str
    master_pid: int
    log_file: str

    @property
    def pid_file(self) -> str:
        """Where HAProxy itself writes its master's process id."""
        return os.path.join(os.path.dirname(self.config_file), "haproxy.pid")

    def command(self, text: str) -> str:
        """Give the runtime API a command and return its answer; PEM follows `<<` on the next line."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.socket)
            connection.sendall(text.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()

    def reload(self) -> None:
        """Let the master read the configuration again; a new worker takes over a little later."""
        os.kill(self.master_pid, signal.SIGUSR2)


@contextlib.contextmanager
def haproxy(directory: str, bundle: str, *, extra: str = "") -> Iterator[Haproxy]:
    """Run HAProxy below *directory* (short, for its socket), serving *bundle* or a directory of them."""
    config_file, log = os.path.join(directory, "haproxy.cfg"), os.path.join(directory, "haproxy.log")
    api, https = os.path.join(directory, "haproxy.sock"), free_port()
    write(config_file, _CONFIG.format(socket=api, https=https, bundle=bundle, extra=extra))
    server = Haproxy(config_file, https, api, 0, log)
    with serving(server) as master:
        yield server._replace(master_pid=master.pid)


def serving(server: Haproxy) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a server that is configured already; once more, after it has been ended."""
    argv = [program("haproxy"), "-W", "-db", "-f", server.config_file, "-p", server.pid_file]
    return daemon(argv, log=server.log_file, ready=partial(accepts, server.https))
