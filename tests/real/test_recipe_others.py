"""docs/others.md: everything on the page is done as it is written, and what it promises is looked at."""

from __future__ import annotations

import pytest

from tests.real.booted import Booted
from tests.real.recipe_hosts import other_host
from tests.real.recipe_served import generation, has_own_prime, serves_current
from tests.real.recipes import DOCS, Recipe

SMTP = ("-starttls", "smtp")
SHOP = {8443: ("-servername", "shop.example.org")}


class Others:
    """The host of the page."""

    def __init__(self, machine: Booted) -> None:
        self.machine = machine

    def nginx(self) -> None:
        assert generation(self.machine, "www")["generation"] == 2
        serves_current(self.machine, "www", {443: ()})
        has_own_prime(self.machine, 443)

    def haproxy(self) -> None:
        """Renewal and rotation were no reload: all four are those for the two settings and their files."""
        assert generation(self.machine, "shop")["generation"] == 2
        serves_current(self.machine, "shop", SHOP)
        assert self.machine.sh("journalctl -o cat -u haproxy | grep -c 'Reloading HAProxy'") == "4\n"
        has_own_prime(self.machine, 8443, *SHOP[8443])
        self.machine.sh("systemctl restart haproxy")
        serves_current(self.machine, "shop", SHOP)

    def exim(self) -> None:
        assert generation(self.machine, "mx2")["generation"] == 2
        serves_current(self.machine, "mx2", {25: SMTP, 587: SMTP, 465: ()})
        has_own_prime(self.machine, 25, *SMTP)

    def any_program(self) -> None:
        """The service was reloaded once for both files, which belong together."""
        assert self.machine.sh("cat /run/slapd.reloads") == "reloaded\n"
        modes = self.machine.sh("stat -c '%a %G' /etc/ssl/private/ldap.key /etc/ssl/certs/ldap.pem")
        assert modes == "640 ssl-cert\n644 root\n"
        self.machine.sh("openssl x509 -noout -pubkey -in /etc/ssl/certs/ldap.pem >/run/a")
        self.machine.sh("openssl pkey -pubout -in /etc/ssl/private/ldap.key | cmp - /run/a")


@pytest.mark.slow
def test_other_recipes(scratch: str) -> None:
    """nginx, HAProxy and Exim from nothing to a rotation, and a server that has no hook of its own."""
    with other_host(scratch) as machine:
        others = Others(machine)
        Recipe(DOCS / "others.md", {"host": machine}).follow(
            {
                "nginx": others.nginx,
                "HAProxy": others.haproxy,
                "Exim": others.exim,
                "A server without a hook": others.any_program,
            }
        )
