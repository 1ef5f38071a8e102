"""What a port serves, seen by openssl s_client: an eye that shares no code with certctl's own probe."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from cryptography import x509

from tests.real.servers.require import program

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
RSA, ECDSA = ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"), ("-sigalgs", "ECDSA+SHA256")


def served(
    port: int,
    starttls: str | None = None,
    *,
    name: str | None = None,
    address: str = "127.0.0.1",
    options: Sequence[str] = (),
) -> list[x509.Certificate]:
    """Return the chain that is sent on *port*, leaf first; empty if there is no handshake.

    *starttls* is smtp, lmtp, imap or pop3; *name* goes into SNI; *options* are further ones of s_client, such
    as RSA or ECDSA to ask for a certificate of that kind. A port that is closed raises ConnectionError.
    """
    argv = [program("openssl"), "s_client", "-connect", f"{address}:{port}", "-showcerts", *options]
    argv += ["-starttls", starttls] if starttls else []
    argv += ["-servername", name] if name else ["-noservername"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    if b"connect:errno" in done.stderr:
        raise ConnectionError(f"{address}:{port} does not accept connections")
    return [x509.load_pem_x509_certificate(pem) for pem in _CERTIFICATE.findall(done.stdout)]
