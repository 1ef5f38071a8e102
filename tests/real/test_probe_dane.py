"""probe --dane against a signed zone on two servers, a validating resolver and a mail server."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from certctl.announce import zone as announcing_zone
from tests.real.announce_world import Clock, Host, notify, serial
from tests.real.dns_world import ZONE, Zone, make_zone
from tests.real.servers.pki import make_identity
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import until
from tests.real.servers.scratch import write
from tests.real.servers.start import Start
from tests.real.servers.unbound import Unbound, unbound

CONFIG = """
[certificate.mx]
names = ["mx.example.test", "elsewhere.example.net"]
hold_down = "2s"
announce = ["dane"]
[[certificate.mx.file]]
path = "mx.pem"
{more}
[announce.dane]
type = "dns"
server = "127.0.0.1:{port}"
zone = "example.test"
tsig_key_file = "{key}"
ports = [{mail}]
ttl = 1
"""


class Setting:
    """A host whose pins are in the DNS, its mail server, and who can be asked about both."""

    def __init__(self, start: Start, scratch: str) -> None:
        self.zone: Zone = make_zone(start, signed=True)
        at = ("127.0.0.1", self.zone.primary.port)
        anchors = self.zone.primary.trust_anchors()
        self.resolver: Unbound = start(unbound, zones={ZONE: at}, trust_anchors=anchors)
        self.start = start
        self.host = Host(os.path.join(scratch, "host"), "")
        # The port is known once the server runs, and the server runs once it has a certificate.
        self.host.configure(self._config(25).replace('announce = ["dane"]', ""))
        self.host.done("run")
        self.mail: Postfix = start(postfix, chain_files=[self.host.path("mx.pem")], hostname=f"mx.{ZONE}")
        self.host.configure(self._config(self.mail.smtp))

    def _config(self, mail: int) -> str:
        primary = self.zone.primary
        return CONFIG.format(port=primary.port, key=primary.key_file, mail=mail, more="")

    def ask(self, *argv: str, resolver: str = "") -> tuple[int, str]:
        """Run probe --dane for people; exit status and output."""
        resolver = resolver or f"127.0.0.1:{self.resolver.port}"
        ran = self.host("probe", "--dane", "--resolver", resolver, *argv)
        return ran.code, ran.out + ran.err

    def kinds(self, *argv: str, resolver: str = "") -> tuple[int, list[str], Any]:
        code, text = self.ask("--json", *argv, resolver=resolver)
        (row,) = json.loads(text)["dane"]
        return code, [one["kind"] for one in row["differences"] if one["severity"] == "error"], row

    def follow(self) -> None:
        """Let the secondary have what the primary has."""
        notify(self.zone.follower)
        primary, follower = self.zone.primary, self.zone.follower
        until(lambda: serial(follower) == serial(primary), "the secondary follows", seconds=60)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def setting(start: Start, scratch: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Setting:
    # Nobody is told of changes here, so that waiting for the secondary is in vain.
    monkeypatch.setattr(announcing_zone, "PATIENCE", 0.1)
    return Setting(start, scratch)


def test_what_is_served_against_the_dns(setting: Setting) -> None:
    """Every address, every server of the zone and the resolver are asked; each difference is named."""
    port, names = setting.mail.smtp, [f"{name}.{ZONE} ({at})" for name, at in zip(
        ("ns1", "ns2"), setting.zone.addresses, strict=True)]  # fmt: skip
    code, found, _ = setting.kinds()
    assert (code, found) == (1, ["tlsa-none"])

    setting.host.done("run")
    code, told = setting.ask("mx")
    assert code == 1
    assert f"{names[1]}, serial {serial(setting.zone.follower)} shows no TLSA record" in told
    _, found, row = setting.kinds()
    assert found == ["tlsa-missing"]
    assert [one["agrees"] for one in row["served"]] == [True, False]

    setting.follow()
    until(lambda: setting.kinds()[2]["differences"] == [], "the resolver has the records", seconds=60)
    code, told = setting.ask()
    assert f"validated by 127.0.0.1:{setting.resolver.port}" in told
    for name in names:
        assert name in told
    assert " no" not in told.splitlines()[1]
    row = setting.kinds()[2]
    assert (row["validation"], row["zone"], row["owner"]) == ("secure", ZONE, f"_{port}._tcp.mx.{ZONE}")
    assert row["differences"] == []
    assert [one["is"] for one in row["served"]] == ["the current key, generation 1"] * 2
    shown = [server["records"] for server in row["servers"]]
    assert shown[0] == shown[1]
    assert len(shown[0]) == 2

    # Without a configuration the zone is found by the resolver; a name alone has no port 25 here.
    code, told = setting.ask(f"smtp://mx.{ZONE}:{port}")
    assert code == 0, told

    # A key that nobody told of is served, though the file is right.
    stranger = make_identity(names=(f"mx.{ZONE}",)).save(setting.start.scratch)
    setting.mail.set(smtpd_tls_chain_files=stranger)
    setting.mail.reload()
    until(lambda: setting.kinds()[1], "the server serves another key", seconds=60)
    code, told = setting.ask()
    assert code == 1
    assert "whoever asks that server defers mail" in told
    assert setting.kinds()[1] == ["tlsa-mismatch", "tlsa-mismatch", "tlsa-cached"]
    setting.mail.set(smtpd_tls_chain_files=setting.host.path("mx.pem"))
    setting.mail.reload()
    until(lambda: not setting.kinds()[1], "the server serves the right key again", seconds=60)

    # The next key is promoted here before the secondary knows the one after it.
    setting.host.done("rotate", "--force", "mx")
    setting.mail.reload()
    until(lambda: "generation 2" in setting.ask("--json")[1], "the server serves the new key", seconds=60)
    row = setting.kinds()[2]
    kinds = [(one["severity"], one["kind"]) for one in row["differences"]]
    assert kinds == [("warning", "tlsa-not-told"), ("warning", "tlsa-differ")]
    assert "the next key, generation 3" in row["differences"][0]["message"]


def test_resolvers_and_addresses(setting: Setting) -> None:
    """Who cannot validate is said to; wrong signatures and an address that serves nothing are errors."""
    setting.host.done("run")
    setting.follow()
    until(lambda: setting.kinds()[2]["differences"] == [], "the resolver has the records", seconds=60)

    primary = f"127.0.0.1:{setting.zone.primary.port}"
    code, told = setting.ask(resolver=primary)
    assert code == 0
    assert f"not validated: no validating resolver: {primary} sets no AD bit" in told

    at = ("127.0.0.1", setting.zone.primary.port)
    key = setting.zone.primary.trust_anchors()[0]
    forged = key[:-8] + ("AAAAAAA=" if not key.endswith("AAAAAAA=") else "BBBBBBB=")
    wrong = setting.start(unbound, zones={ZONE: at}, trust_anchors=[forged])
    code, found, row = setting.kinds(resolver=f"127.0.0.1:{wrong.port}")
    assert code == 1
    assert "bogus" in found
    assert row["validation"] == "bogus"

    update = setting.zone.primary.update()
    update.add(f"mx.{ZONE}.", 1, "A", "127.0.0.2")
    setting.zone.primary.send(update)
    until(lambda: "refused" in setting.kinds()[1], "the resolver has the second address", seconds=60)
    code, told = setting.ask()
    assert code == 1
    assert "127.0.0.2" in told
    nobody = setting.ask(f"smtp://127.0.0.1:{setting.mail.smtp}")
    assert nobody[0] == 2
    assert "has no name, and TLSA records are of names" in nobody[1]
    assert setting.kinds(f"smtp://127.0.0.1:{setting.mail.smtp}?sni=mx.{ZONE}")[0] == 0


def test_a_key_that_is_served_keeps_its_record(setting: Setting, clock: Clock) -> None:
    """Whatever the hooks said: as long as an address serves the previous key, its record stays."""
    host, mail = setting.host, setting.mail
    host.done("run")
    setting.follow()
    host.done("announce")
    before = write(os.path.join(setting.start.scratch, "before.pem"), host.read("mx.pem"), 0o600)
    mail.set(smtpd_tls_chain_files=before)
    mail.reload()
    clock.pass_(10)
    host.done("rotate", "mx")
    assert host.generation() == 2
    setting.follow()
    host.done("announce")
    shown = setting.zone.tlsa(mail.smtp)
    assert len(shown) == 3
    clock.pass_(10)
    ran = host("run")
    assert ran.code == 1
    where = f"mx.{ZONE} (127.0.0.1) port {mail.smtp}"
    assert f"the previous key is still served by {where}, so its record has to stay" in ran.err
    assert setting.zone.tlsa(mail.smtp) == shown
    (row,) = host.done("status", "--json").document["announcers"]
    assert row["state"] == "failing"
    assert where in row["last_error"]
    assert "retracted" not in host.done("announce", "--show").out
    again = host("run")
    assert again.code == 1
    assert "failed: the previous key is still served" in again.err  # it waits for its back-off

    mail.set(smtpd_tls_chain_files=host.path("mx.pem"))
    mail.reload()
    clock.pass_(60)
    host.done("run")
    assert len(setting.zone.tlsa(mail.smtp)) == 2
    assert "retracted" in host.done("announce", "--show").out
