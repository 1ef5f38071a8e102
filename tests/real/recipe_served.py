"""What the hosts of recipes serve, seen by openssl: an eye that shares no code with certctl's own probe."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from cryptography import x509

from tests.real.booted import Booted
from tests.real.servers.pki import certificate_pin
from tests.real.servers.process import until
from tests.real.servers.served import ECDSA, RSA

_DHE = "DHE-RSA-AES256-GCM-SHA384"


def served(machine: Booted, port: int, *options: str) -> list[x509.Certificate]:
    """Return the chain that *machine* serves on *port*, leaf first; *options* are those of s_client."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-showcerts", *options]
    said = machine.sh(f"{shlex.join(command)} 2>&1 </dev/null || :")
    found = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", said, re.DOTALL)
    return [x509.load_pem_x509_certificate(pem.encode()) for pem in found]


_SMTP = """\
import smtplib, ssl, sys
where, certificate, *commands = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
if certificate:
    context.load_cert_chain(certificate)
with smtplib.SMTP(where) as session:
    session.starttls(context=context)
    session.ehlo()
    for command in commands:
        code, text = session.docmd(command)
        print(code, text.decode())
"""


def smtp(machine: Booted, where: str, *commands: str, certificate: str = "") -> str:
    """What the server *where* (HOST:PORT) answers to *commands* after STARTTLS, one a line.

    *certificate* is the bundle that is shown to it.
    """
    argv = ["/certctl-venv/bin/python", "-", where, certificate, *commands]
    return machine.sh(shlex.join(argv), _SMTP)


def generation(machine: Booted, name: str, slot: str = "current") -> Any:
    """The part of `certctl status --json` about one slot of a certificate."""
    status = json.loads(machine.sh("certctl status --json"))
    return next(one for one in status["certificates"] if one["name"] == name)[slot]


def serves_current(machine: Booted, name: str, ports: Mapping[int, Sequence[str]]) -> None:
    """Wait until each of *ports*, asked with its options, serves each key of *name* with its whole chain."""
    for key in generation(machine, name)["keys"]:
        kind = RSA if key["algorithm"].startswith("rsa") else ECDSA
        for port, options in ports.items():
            until(
                partial(_serves, machine, port, (*options, *kind), key["certificate_sha256"]),
                f"port {port} serves the {key['algorithm']} certificate of {name}",
                seconds=60,
            )


def _serves(machine: Booted, port: int, options: Sequence[str], wanted: str) -> bool:
    chain = served(machine, port, *options)
    return len(chain) == 2 and certificate_pin(chain[0]) == wanted


def has_own_prime(machine: Booted, port: int, *options: str) -> None:
    """Wait until DHE on *port* uses a prime of 2048 bits."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-cipher", _DHE, *options]
    script = f"{shlex.join(command)} 2>&1 </dev/null || :"
    until(lambda: "Server Temp Key: DH, 2048 bits" in machine.sh(script), "DHE is offered", seconds=60)
