"""A world with something of everything, and the commands that look at it."""

from __future__ import annotations

from tests.support import scenarios
from tests.support.world import Ran, World

CONFIG = f"""
{scenarios.PRIVATE_CA}
[certificate.mx2]
names = ["mx2.example.org"]
issuer = "self-signed"
keys = ["ecdsa-p256", "ed25519"]
pin = "certificate"
[[certificate.mx2.file]]
path = "tls/mx2.pem"
hooks = ["reload"]
[issuer.person]
type = "csr"
[certificate.mx3]
names = ["mx3.example.org"]
issuer = "person"
{scenarios.FFDHE}
"""
UNSERVED = ("mx3",)  # its request waits
LOOKS = (
    ("plan",),
    ("plan", "--json", "--verify"),
    ("status",),
    ("status", "--json"),
    ("fingerprints", "--slot", "all"),
    ("fingerprints", "--of", "certificate", "--format", "json"),
    ("log",),
    ("log", "--json"),
    ("hooks",),
)


def looked(world: World) -> None:
    """Every command that only looks answers, or says what is wrong; none changes a thing."""
    for command in LOOKS:
        sound(world(*command))


def sound(ran: Ran) -> Ran:
    """It ended as a program does that expected this."""
    assert ran.code in (0, 1), ran
    assert "Traceback" not in ran.err, ran
    assert "internal error" not in ran.err, ran
    if ran.code == 1:
        assert "certctl: " in ran.err, ran
    ran.err.encode()
    ran.out.encode()
    return ran
