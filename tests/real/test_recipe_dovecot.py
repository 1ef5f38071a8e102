"""docs/dovecot.md: everything on the page is done as it is written, and what it promises is looked at."""

from __future__ import annotations

import base64

import pytest

from tests.real.booted import Booted
from tests.real.recipe_hosts import AGE, box_host
from tests.real.recipe_served import generation, has_own_prime, serves_current, smtp
from tests.real.recipes import DOCS, Recipe

PORTS = {143: ("-starttls", "imap"), 993: (), 110: ("-starttls", "pop3"), 995: ()}
LMTP = {24: ("-starttls", "lmtp")}
SMTP = {25: ("-starttls", "smtp"), 587: ("-starttls", "smtp")}
SNI = {993: ("-servername", "imap.example.net"), 143: (*PORTS[143], "-servername", "imap.example.net")}


class Boxes:
    """The host of the page."""

    def __init__(self, machine: Booted) -> None:
        self.machine = machine

    def on_ports(self) -> None:
        serves_current(self.machine, "mail", PORTS)

    def on_every_port(self) -> None:
        serves_current(self.machine, "mail", {**PORTS, **LMTP})

    def logs_in(self) -> None:
        """Postfix serves the same certificate, and lets in whom Dovecot knows, after STARTTLS."""
        serves_current(self.machine, "mail", SMTP)
        for password, answer in (("secret", "235 2.7.0"), ("wrong", "535 5.7.8")):
            word = base64.b64encode(f"\0reader\0{password}".encode()).decode()
            said = smtp(self.machine, "127.0.0.1:587", f"AUTH PLAIN {word}")
            assert answer in said, said

    def rotated(self) -> None:
        assert generation(self.machine, "mail")["generation"] == 2
        serves_current(self.machine, "mail", {**PORTS, **LMTP, **SMTP})

    def by_name(self) -> None:
        """Who asks for the other name gets its certificate, also after a renewal; others do not."""
        serves_current(self.machine, "imap", SNI)
        self.machine.sh("certctl -q renew imap")
        serves_current(self.machine, "imap", SNI)
        self.on_ports()

    def mended(self) -> None:
        """The hook of the page's own table reloads Dovecot, too."""
        self.machine.sh("certctl -q renew mail")
        self.on_every_port()


@pytest.mark.slow
def test_dovecot_recipe(scratch: str) -> None:
    """From nothing to a rotation on every port, with several names, and Postfix beside it."""
    with box_host(scratch) as machine:
        boxes = Boxes(machine)
        Recipe(DOCS / "dovecot.md", {"mail": machine}, before=AGE).follow(
            {
                "From nothing to served": boxes.on_ports,
                "Every port": boxes.on_every_port,
                "Logins for Postfix": boxes.logs_in,
                "Renewal and rotation": boxes.rotated,
                "Several names": boxes.by_name,
                "DH parameters": lambda: has_own_prime(machine, 993),
                "When something is wrong": boxes.mended,
            }
        )
