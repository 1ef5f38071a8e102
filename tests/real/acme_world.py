"""An issuer before a real Pebble, requests for it, and the check that the engine makes of its answers."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any, NamedTuple

from cryptography import x509

from certctl.issuers.acme.issuer import AccountFacts, AcmeIssuer, account_show
from certctl.planning.spec import DAY, AcmeOptions, IssuerSpec
from certctl.ports import Issued, IssueRequest
from certctl.store.keys import generate
from certctl.x509.chain import check_chain
from certctl.x509.keys import key_facts
from tests.real.servers.pebble import Pebble


class World(NamedTuple):
    """One CA and one state directory."""

    pebble: Pebble
    directory: str

    def issuer(self, home: str = "issuers/ca", **options: Any) -> AcmeIssuer:
        """Return an issuer as a new process would make it; by default it answers http-01 itself."""
        chosen: dict[str, Any] = {
            "directory": self.pebble.directory_url,
            "email": ("hostmaster@example.test",),
            "agree_tos": True,
            "ca_file": self.pebble.ca_file,
            "timeout": 10.0,
            "validation_timeout": 20.0,
            **options,
        }
        challenge = chosen.get("challenge", "http-01")
        if challenge == "http-01" and not chosen.get("webroot"):
            chosen.setdefault("listen", (f"127.0.0.1:{self.pebble.http_port}",))
        if challenge == "tls-alpn-01":
            chosen.setdefault("listen", (f"127.0.0.1:{self.pebble.tls_port}",))
        spec = IssuerSpec("ca", "acme", acme=AcmeOptions(**chosen))
        return AcmeIssuer(spec, os.path.join(self.directory, home))

    def request(
        self,
        *names: str,
        algorithm: str = "ecdsa-p256",
        key_pem: bytes | None = None,
        replaces: bytes | None = None,
        certificate: str = "mx1",
    ) -> IssueRequest:
        """Return a request for *names* with a new key (unless given) and its certificate's work directory."""
        work = os.path.join(self.directory, f"work-{certificate}")
        os.makedirs(work, mode=0o700, exist_ok=True)
        key_pem = key_pem or generate(algorithm)
        now = datetime.now(timezone.utc)
        return IssueRequest(certificate, 1, algorithm, names, key_pem, 90 * DAY, now, work, replaces)


def account(issuer: AcmeIssuer) -> AccountFacts:
    """Return the issuer's account; it is made, as the first order does, if there is none."""
    issuer.session().account.signer()
    return account_show(issuer)


def checked(issued: Issued, request: IssueRequest, root: bytes | None = None) -> Issued:
    """Return *issued* once it passes the check that the engine makes before anything is kept."""
    pin = key_facts(request.key_pem).key.sha256
    now = datetime.now(timezone.utc)
    check_chain(issued.chain, spki_sha256=pin, names=request.names, now=now, root=root or issued.root)
    return issued


def top_issuer(issued: Issued) -> str:
    """Return the RFC 4514 name of who signed the last certificate of the chain."""
    return x509.load_pem_x509_certificate(issued.chain[-1]).issuer.rfc4514_string()


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number
