"""acme2certifier, an ACME server that shares no code with Pebble: over plain HTTP, with a CA made for it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

from tests.real.servers.pki import PEM, Issuer, make_authority
from tests.real.servers.ports import free_port
from tests.real.servers.process import daemon
from tests.real.servers.require import missing
from tests.real.servers.scratch import write

_CONFIG = """\
[DEFAULT]
debug: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {directory}/ca.key
issuing_ca_cert: {directory}/ca.pem
issuing_ca_crl: {directory}/crl.pem
ca_cert_chain_list: ["{directory}/root.pem"]
cert_validity_days: 30
cert_save_path: {directory}
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: {directory}/acme.db
[Directory]
supress_version: True
"""
_SERVE = """\
import socketserver, sys
from wsgiref.simple_server import WSGIServer, make_server
from acme2certifier.share import acme2certifier_wsgi as server
class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
address = "127.0.0.1", int(sys.argv[1])
make_server(*address, server.application, Server, server.get_handler_cls()).serve_forever()
"""


class Acme2Certifier(NamedTuple):
    """A running server. It validates at the protocols' own ports, so names are best loopback addresses."""

    directory_url: str
    root: bytes
    log_file: str


def _empty_crl(issuer: Issuer) -> bytes:
    now = datetime.now(timezone.utc)
    crl = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    crl = crl.last_update(now).next_update(now + timedelta(days=1))
    return crl.sign(issuer.key, hashes.SHA256()).public_bytes(PEM)


@contextlib.contextmanager
def acme2certifier(directory: str) -> Iterator[Acme2Certifier]:
    """Run acme2certifier below *directory*."""
    if importlib.util.find_spec("acme2certifier") is None:
        missing("acme2certifier is not installed", "pip install acme2certifier")
    authority = make_authority("acme2certifier")
    key = authority.intermediate.key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
    write(os.path.join(directory, "ca.key"), key, 0o600)
    write(os.path.join(directory, "ca.pem"), authority.intermediate.certificate.public_bytes(PEM))
    write(os.path.join(directory, "root.pem"), authority.root_pem)
    write(os.path.join(directory, "crl.pem"), _empty_crl(authority.intermediate))
    config = write(os.path.join(directory, "acme_srv.cfg"), _CONFIG.format(directory=directory))
    port, log = free_port(), os.path.join(directory, "acme2certifier.log")
    url = f"http://127.0.0.1:{port}/directory"

    def ready() -> bool:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)

    environment = {"ACME_SRV_CONFIGFILE": config}
    with daemon(
        [sys.executable, "-c", _SERVE, str(port)], log=log, ready=ready, env=environment, cwd=directory
    ):
        yield Acme2Certifier(url, authority.root_pem, log)
