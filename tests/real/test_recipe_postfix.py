"""docs/postfix.md: everything on the page is done as it is written, and what it promises is looked at."""

from __future__ import annotations

import pytest

from tests.real.recipe_hosts import AGE, mail_hosts
from tests.real.recipe_served import generation, has_own_prime, serves_current, smtp
from tests.real.recipes import DOCS, Recipe
from tests.real.servers.process import until

STARTTLS = ("-starttls", "smtp")
PORTS = {25: STARTTLS, 587: STARTTLS, 465: ()}
SNI = {25: (*STARTTLS, "-servername", "mail.example.org")}
RELAYED = ("MAIL FROM:<a@example.net>", "RCPT TO:<b@example.com>")


class Mail:
    """The two hosts of the page, and the mail from the peer to the other."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.mx1, self.thumb = recipe, recipe.hosts["mx1"], recipe.hosts["thumb"]

    def log(self, begin: int = 0) -> str:
        """What the peer's Postfix said since its log had *begin* characters."""
        return self.thumb.sh("cat /var/log/mail.log")[begin:]

    def flows(self, to: str = "root@example.org") -> None:
        """A mail arrives at the first try, over a connection whose key was known."""
        begin = len(self.log())
        self.thumb.sh(f"sendmail -f root@example.net {to}", "Subject: test\n\ntest\n")
        until(lambda: "status=" in self.log(begin), "the mail is tried", seconds=60)
        log = self.log(begin)
        assert "status=sent" in log, log
        assert "Verified TLS connection established to mx1.example.org" in log, log

    def on_port_25(self) -> None:
        serves_current(self.mx1, "mx1", {25: STARTTLS})

    def on_all_ports(self) -> None:
        serves_current(self.mx1, "mx1", PORTS)

    def rotated(self) -> None:
        assert generation(self.mx1, "mx1")["generation"] == 2
        self.on_all_ports()
        self.flows()

    def drained(self) -> None:
        """The mail that was deferred has arrived, and the key that the peer knew is served again."""
        until(lambda: "status=sent" in self.log().partition("status=deferred")[2], "it arrives", seconds=60)
        assert "dsn=4.7.5" in self.log()
        assert generation(self.mx1, "mx1")["generation"] == 1
        self.on_all_ports()

    def followed(self) -> None:
        """The feed alone carries the pins: a rotation later, without any hand on the peer, mail flows."""
        self.flows()
        before = generation(self.mx1, "mx1")["generation"]
        self.thumb.sh("certctl -q run")
        self.mx1.sh("certctl -q rotate mx1")
        self.recipe.later("14d")
        self.mx1.sh("certctl -q run")
        assert generation(self.mx1, "mx1")["generation"] != before
        self.on_all_ports()
        self.flows()
        self.thumb.sh("certctl -q run")

    def relays(self) -> None:
        """Who shows the key may relay, and nobody else."""
        for shown, answer in (("/etc/postfix/tls/thumb.pem", "250 2.1.5 Ok"), ("", "454 4.7.1")):
            said = smtp(self.thumb, "mx1.example.org:25", *RELAYED, certificate=shown)
            assert answer in said, said

    def known_by_dane(self) -> None:
        """No line of the policy table has this domain."""
        self.flows("root@mx1.example.org")

    def by_name(self) -> None:
        """Who asks for the other name gets its certificate, also the one after a renewal; others do not."""
        serves_current(self.mx1, "mail", SNI)
        self.mx1.sh("certctl -q renew mail")
        serves_current(self.mx1, "mail", SNI)
        self.on_port_25()
        assert self.mx1.sh("stat -c %a /etc/postfix/sni.db") == "600\n"

    def both_reloaded(self) -> None:
        """A renewal reloads the second instance, too, by `postmulti -l` and by its directory."""
        reloads = "grep -c 'postfix-out/master.* reload -- version' /var/log/mail-out.log || :"
        assert self.mx1.sh(reloads) == "1\n"
        self.mx1.sh("certctl -q renew mx1")
        until(lambda: self.mx1.sh(reloads) == "2\n", "the second instance is reloaded", seconds=60)
        self.on_all_ports()
        self.mx1.sh("certctl doctor")  # at the end of the page, nothing is amiss


@pytest.mark.slow
def test_postfix_recipe(scratch: str) -> None:
    """From nothing to a key that changed, with a peer that pins it, and every other section of the page."""
    with mail_hosts(scratch) as hosts:
        recipe = Recipe(DOCS / "postfix.md", hosts, before=AGE)
        mail = Mail(recipe)
        recipe.follow(
            {
                "From nothing to served": mail.on_port_25,
                "Ports 587 and 465": mail.on_all_ports,
                "Peers that pin your key": mail.flows,
                "Renewal and rotation": mail.rotated,
                "When mail is deferred": mail.drained,
                "Peers that follow your feed": mail.followed,
                "Clients known by their key": mail.relays,
                "DANE": mail.known_by_dane,
                "Several names: SNI": mail.by_name,
                "DH parameters": lambda: has_own_prime(mail.mx1, 25, *STARTTLS),
                "Several instances": mail.both_reloaded,
            }
        )
