"""The host's own web server, which answers challenges out of its webroot."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

from tests.real.servers.require import SYSTEM

_NGINX = """\
daemon off;
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/nginx.log warn;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {work}/body;
  proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ root {webroot}; }} }}
}}
"""

# http.server's own queue holds 5 connections. A CA that validates 20 names at once opens 60, and whoever is
# turned away tries again only after 1, 3 or 7 s: that would measure TCP's patience.
_PYTHON = """\
import functools, http.server, sys
http.server.ThreadingHTTPServer.request_queue_size = 1024
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
"""


def command(webroot: str, port: int, work: str) -> Sequence[str]:
    """What serves *webroot* on *port* of loopback: nginx, or Python where that is missing."""
    nginx = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM]))
    if nginx is None:
        return [sys.executable, "-c", _PYTHON, webroot, str(port)]
    user = "user root;" if os.geteuid() == 0 else ""
    with open(f"{work}/nginx.conf", "w", encoding="ascii") as file:
        file.write(_NGINX.format(work=work, user=user, port=port, webroot=webroot))
    return [nginx, "-e", f"{work}/nginx.log", "-c", f"{work}/nginx.conf"]
