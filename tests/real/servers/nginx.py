"""nginx of its own, serving https."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

from tests.real.servers.ports import free_port
from tests.real.servers.process import accepts, daemon, run
from tests.real.servers.require import program
from tests.real.servers.scratch import write

_CONFIG = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {log_file} notice;
{user}
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{https} ssl;
    server_name _;
{certificates}
    location / {{ return 200 "ok"; }}
{extra}
  }}
}}
"""


class Nginx(NamedTuple):
    """A running server; *config_file* is what `nginx -c` takes."""

    config_file: str
    https: int
    log_file: str

    def reload(self) -> None:
        """Reload; fails as nginx does when a key does not belong to its certificate."""
        run([program("nginx"), "-c", self.config_file, "-s", "reload"])


@contextlib.contextmanager
def nginx(directory: str, *bundles: str, extra: str = "") -> Iterator[Nginx]:
    """Run nginx below *directory*, serving each of *bundles* (key, leaf, intermediates), one an algorithm.

    *extra*: further lines of the server block, such as a second `listen` or a `location`.
    """
    server = Nginx(os.path.join(directory, "nginx.conf"), free_port(), os.path.join(directory, "nginx.log"))
    pairs = "\n".join(f"    ssl_certificate {path};\n    ssl_certificate_key {path};" for path in bundles)
    user = "user nobody nogroup;" if os.geteuid() == 0 else ""
    config = _CONFIG.format(
        directory=directory, **server._asdict(), certificates=pairs, extra=extra, user=user
    )
    write(server.config_file, config)
    with serving(server):
        yield server


def serving(server: Nginx) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run a server that is configured already; once more, after it has been ended."""
    argv = [program("nginx"), "-e", server.log_file, "-c", server.config_file]
    return daemon(argv, log=server.log_file, ready=partial(accepts, server.https))
