"""Two Postfix instances, one pinning the other's key: what certctl does to the mail between them."""

from __future__ import annotations

import os

import pytest

from tests.real.certctl_home import Home, shipped
from tests.real.servers.pki import certificate_pin
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import until
from tests.real.servers.served import served
from tests.real.servers.start import Start

CERTIFICATE = """
[certificate.mx]
names = ["mx.example.test"]
issuer = "private-ca"
hold_down = "{hold}"
rotate_every = "never"
{more}
[[certificate.mx.file]]
path = "tls/mx.pem"
hooks = ["reload"]

[hook.reload]
command = {command}
"""


class Pair:
    """A server whose certificates certctl keeps, and a client that pins them by its policy table."""

    def __init__(self, start: Start, scratch: str, hold: str = "2s", more: str = "") -> None:
        self.home = Home(scratch)
        self.hold, self.more = hold, more
        self.configure('["true"]')
        self.home.run("run")
        self.server: Postfix = start(postfix, chain_files=[self.home.path("tls/mx.pem")])
        self.client: Postfix = start(
            postfix,
            hostname="client.example.test",
            routes={"example.test": f"smtp:[127.0.0.1]:{self.server.smtp}"},
            parameters={"mydestination": "", "smtp_tls_fingerprint_digest": "sha256"},
        )
        self.configure(shipped("postfix", "--config-dir", self.server.directory))
        self.follow()

    def configure(self, command: str, more: str | None = None) -> None:
        text = CERTIFICATE.format(hold=self.hold, command=command, more=self.more if more is None else more)
        self.home.configure(text)

    def follow(self) -> None:
        """The client's admin pastes what `certctl fingerprints` prints."""
        hop = f"[127.0.0.1]:{self.server.smtp}"
        lines = self.home.run("fingerprints", "--format", "policy", "--nexthop", hop)
        self.client.write_policy(lines.splitlines())

    def mail(self) -> str:
        """Send one mail through the client; what became of it at the first try."""
        return self.client.outcome(self.client.send())

    def served_key(self) -> str:
        """The certificate that is served, once every process serves the same."""
        return certificate_pin(served(self.server.smtp, "smtp")[0])

    def recorded(self, slot: str = "current") -> str:
        pin: str = self.home.certificate()[slot]["keys"][0]["certificate_sha256"]
        return pin


def wait_for_hold(pair: Pair) -> None:
    """Until the hold-down of the next key is over."""
    until(lambda: pair.home.certificate()["hold_until"] is None, "the hold-down ends")


def test_mail_flows_through_renewal_rotation_and_rollback(start: Start, scratch: str) -> None:
    """No mail is deferred through a renewal, an announced rotation and a rollback; each is served at once."""
    pair = Pair(start, scratch)
    assert "status=sent" in pair.mail()

    for change in (["renew", "mx"], ["rotate", "mx"], ["rollback", "mx"]):
        if change[0] == "rotate":
            wait_for_hold(pair)
        before = pair.recorded()
        pair.home.run(*change)
        until(lambda: pair.served_key() == pair.recorded(), f"{change[0]} is served")
        assert pair.recorded() != before
        assert "status=sent" in pair.mail(), change
    assert "Verified TLS connection established" in pair.client.log()
    assert "4.7.5" not in pair.client.log()


def test_forced_rotation_defers_until_the_pin_is_known(start: Start, scratch: str) -> None:
    """An unannounced key defers mail with 4.7.5; once the policy table knows it, the queue drains."""
    pair = Pair(start, scratch, hold="7d")
    first = pair.home.run("fingerprints", "--slot", "current", "--format", "policy")
    pair.client.write_policy([first.strip().replace("[mx.example.test]", f"[127.0.0.1]:{pair.server.smtp}")])
    assert "status=sent" in pair.mail()

    told = pair.home.run("rotate", "--force", "mx")
    assert "whoever pins it by hand breaks" in told
    until(lambda: pair.served_key() == pair.recorded(), "the forced key is served")
    queue_id = pair.client.send()
    assert "dsn=4.7.5, status=deferred" in pair.client.outcome(queue_id)

    pair.follow()
    pair.client.flush()
    assert "status=sent" in pair.client.outcome(queue_id, tries=2)


@pytest.mark.parametrize("change", ["renew", "rotate"])
def test_what_is_not_served_is_taken_back(start: Start, scratch: str, change: str) -> None:
    """If the server goes on with the old certificate, the old files come back, and it does not flap."""
    pair = Pair(start, scratch)
    probes = f'probe = ["smtp://127.0.0.1:{pair.server.smtp}", "smtps://127.0.0.1:{pair.server.smtps}"]'
    pair.configure(shipped("postfix", "--config-dir", pair.server.directory), probes)
    pair.home.run("run")
    before = pair.recorded()
    bundle = pair.home.read("tls/mx.pem")
    if change == "rotate":
        wait_for_hold(pair)

    # A hook that claims success, and a server that reads another file: the reload changes nothing.
    other = os.path.join(scratch, "other.pem")
    with open(other, "wb") as file:
        file.write(bundle)
    os.chmod(other, 0o600)
    pair.server.set(smtpd_tls_chain_files=other)
    told = pair.home.run(change, "mx", status=1)
    assert "what was served before comes back" in told
    assert pair.recorded() == before
    assert pair.home.read("tls/mx.pem") == bundle
    assert pair.served_key() == before

    certificate = pair.home.certificate()
    assert certificate["state"] in ("held", "failing")
    again = pair.home.json("plan")
    assert again["steps"] == [], again
    if change == "rotate":
        assert "was promoted" in certificate["held"]
    else:
        assert "taken back" in certificate["last_error"]

    pair.server.set(smtpd_tls_chain_files=pair.home.path("tls/mx.pem"))
    pair.home.run(change, "mx")
    until(lambda: pair.served_key() == pair.recorded(), "the mended server serves the new one")
    assert pair.recorded() != before
    assert pair.home.certificate()["state"] == "ok"


def test_keep_only_reports(start: Start, scratch: str) -> None:
    """With on_failed_probe = "keep" the new files stay, each pass says so, and agreement ends it."""
    pair = Pair(start, scratch)
    keep = f'probe = ["smtp://127.0.0.1:{pair.server.smtp}"]\non_failed_probe = "keep"'
    pair.configure(shipped("postfix", "--config-dir", pair.server.directory), keep)
    pair.home.run("run")
    before = pair.recorded()
    other = os.path.join(scratch, "other.pem")
    with open(other, "wb") as file:
        file.write(pair.home.read("tls/mx.pem"))
    os.chmod(other, 0o600)
    pair.server.set(smtpd_tls_chain_files=other)

    pair.home.run("renew", "mx", status=1)
    assert pair.recorded() != before
    pair.home.run("run", status=1)
    pair.server.set(smtpd_tls_chain_files=pair.home.path("tls/mx.pem"))
    pair.server.reload()
    pair.home.run("run")
    assert pair.home.certificate()["state"] == "ok"
