"""The real certbot and dehydrated, each with a directory of its own, before a Pebble."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.real.servers.pebble import Pebble
from tests.real.servers.process import run
from tests.real.servers.require import TESTS, missing, program
from tests.real.servers.scratch import write

HOME = os.path.join(TESTS, ".cache/certbot")
"""certbot's own environment: it and certctl may want different releases of the same packages."""
EMAIL = "hostmaster@example.test"


def certbot_program() -> str:
    """Return certbot's path; it is installed where it is missing, by one test at a time."""
    path = os.path.join(HOME, "bin/certbot")
    os.makedirs(os.path.dirname(HOME), exist_ok=True)
    with open(f"{HOME}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(path):
            return path
        pip = [f"{HOME}/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "certbot"]
        for argv in ([sys.executable, "-m", "venv", HOME], pip):
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                missing(f"certbot cannot be installed: {done.stderr[-300:]}", "tests/run installs it")
    return path


def certbot(pebble: Pebble, directory: str, *names: str, options: Sequence[str] = ()) -> str:
    """Get a certificate for *names*; return certbot's configuration directory."""
    home = os.path.join(directory, "letsencrypt")
    places = ["--config-dir", home, "--work-dir", f"{directory}/work", "--logs-dir", f"{directory}/logs"]
    run(
        [certbot_program(), "certonly", "--standalone", "--http-01-port", str(pebble.http_port),
         "--server", pebble.directory_url, "--non-interactive", "--agree-tos", "-m", EMAIL, *places,
         *(word for name in names for word in ("-d", name)), *options],
        env={"REQUESTS_CA_BUNDLE": pebble.ca_file, "HOME": directory},
    )  # fmt: skip
    return home


@contextlib.contextmanager
def webroot(port: int, directory: str) -> Iterator[str]:
    """Serve *directory* over HTTP on loopback."""
    os.makedirs(directory, exist_ok=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    handler = functools.partial(Quiet, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield directory
        finally:
            server.shutdown()


def dehydrated(pebble: Pebble, directory: str, root: str, domains: str, settings: str = "") -> str:
    """Get the certificates of a domains.txt, answering below the web server's *root*; return its BASEDIR."""
    base = os.path.join(directory, "dehydrated")
    wellknown = f"{root}/.well-known/acme-challenge"
    Path(wellknown).mkdir(parents=True, exist_ok=True)
    os.makedirs(base, exist_ok=True)
    write(f"{base}/domains.txt", domains)
    write(
        f"{base}/config",
        f'CA="{pebble.directory_url}"\nWELLKNOWN="{wellknown}"\nCONTACT_EMAIL={EMAIL}\n'
        f'CURL_OPTS="--cacert {pebble.ca_file}"\nDOMAINS_TXT="${{BASEDIR}}/domains.txt"\n{settings}',
    )
    argv = [program("dehydrated"), "--config", f"{base}/config"]
    run([*argv, "--register", "--accept-terms"])
    run([*argv, "--cron"])
    return base
