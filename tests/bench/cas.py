"""A CA on loopback (Pebble), with a web server that answers its challenges."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping

from tests.bench import website
from tests.bench.installed import CACHE
from tests.bench.peers import Ca
from tests.real.servers.pebble import pebble
from tests.real.servers.process import accepts, daemon
from tests.real.servers.require import UNPACKED


@contextlib.contextmanager
def ca(directory: str, *, nonce_reject: int = 0, slowest: int = 0, retry_after: int = 0) -> Iterator[Ca]:
    """Run both. *nonce_reject*: per cent; *slowest*: validations take 0 to as many whole seconds.

    *retry_after*: seconds that the CA wants between questions, of the Pebble for which `names_retry_after`.
    """
    webroot = f"{directory}/webroot"
    os.makedirs(f"{webroot}/.well-known/acme-challenge")
    slow: Mapping[str, str] = (
        {"PEBBLE_VA_NOSLEEP": "0", "PEBBLE_VA_SLEEPTIME": str(slowest + 1)} if slowest else {}
    )
    binary, pauses = None if retry_after else _plain(), (retry_after, retry_after)
    server_of = pebble(
        directory, nonce_reject=nonce_reject, environment=slow, binary=binary, retry_after=pauses
    )
    with server_of as server:
        port = server.http_port
        argv = website.command(webroot, port, directory)
        with daemon(argv, log=f"{directory}/web.log", ready=lambda: accepts(port)):
            yield Ca(server.directory_url, server.ca_file, webroot)


def names_retry_after() -> bool:
    """Whether the newer Pebble is there that tests/run unpacks: Debian 12's never says when to ask again."""
    return os.path.exists(f"{UNPACKED[0]}/pebble")


def _plain() -> str | None:
    """The Pebble of Debian 12: uacme cannot read the challenges that newer ones offer. None: there is none."""
    binary = f"{CACHE}/pebble/usr/bin/pebble"
    if not os.path.exists(binary) and shutil.which("apt-get"):
        with tempfile.TemporaryDirectory() as work:
            script = f"cd {work} && apt-get -q download pebble && dpkg-deb -x ./pebble_*.deb {CACHE}/pebble"
            subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    return binary if os.path.exists(binary) else None
