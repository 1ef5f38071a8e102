"""Two hosts, each with its own certctl and Postfix, pinned to each other and following each other's feed."""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

from tests.real.announce_world import Clock, Host, check_files, check_invariants
from tests.real.hooks import Hooks
from tests.real.mail_flow import Flow
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.start import Start

HOLD = 3600
CONFIG = """
hooks_dir = "{hooks}"
[certificate.mx]
names = ["{name}.test", "127.0.0.1"]
hold_down = "1h"
announce = ["partners", "lines"]
[[certificate.mx.file]]
path = "mx.pem"
hooks = ["postfix"]
[hook.postfix]
command = ["hook:postfix", "--config-dir", "{directory}"]
[announce.partners]
type = "feed"
path = "pins.jws"
[announce.lines]
type = "policy"
path = "tls_policy.mine"
nexthops = ["[127.0.0.1]:{port}"]
"""
PEER = """
[peer.other]
feed = "{feed}"
key = "{key}"
nexthops = ["[127.0.0.1]:{port}"]
map = "{directory}/tls_policy.certctl"
hooks = ["postmap"]
[hook.postmap]
command = ["hook:postmap", "--config-dir", "{directory}", "hash:{directory}/tls_policy.certctl"]
"""


class Mailer(NamedTuple):
    """One host and its Postfix."""

    host: Host
    mail: Postfix
    domain: str
    """The domain that it takes mail for."""

    def sends(self, other: Mailer) -> None:
        """Mail is delivered at the first try, to a server whose key was pinned."""
        before = self.mail.log().count("Verified TLS connection established")
        queued = self.mail.send(recipient=f"b@{other.domain}")
        outcome = self.mail.outcome(queued)
        assert "status=sent" in outcome, self.mail.log()[-3000:]
        assert len(self.mail.outcomes(queued)) == 1
        assert self.mail.log().count("Verified TLS connection established") > before

    def looked_up(self, port: int) -> str:
        """What Postfix finds for the other in its table."""
        table = f"hash:{self.mail.directory}/tls_policy.certctl"
        query = [program("postmap"), "-c", self.mail.directory, "-q", f"[127.0.0.1]:{port}", table]
        return run(query).strip()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def pair(start: Start, scratch: str) -> tuple[Mailer, Mailer]:
    """Start both hosts, with everything pinned both ways."""
    hooks = Hooks(scratch).directory
    hosts, servers, texts, names = [], [], [], ("alice.test", "bob.test")
    for name in ("alice", "bob"):
        directory = os.path.join(scratch, name)
        first = CONFIG.format(hooks=hooks, name=name, directory="/nonexistent", port=25)
        host = Host(directory, first.replace('["postfix"]', "[]"))
        host.done("run")
        servers.append(start(postfix, chain_files=[host.path("mx.pem")], hostname=f"{name}.test"))
        hosts.append(host)
    for host, server, name in zip(hosts, servers, ("alice", "bob"), strict=True):
        text = CONFIG.format(hooks=hooks, name=name, directory=server.directory, port=server.smtp)
        host.configure(text)
        host.done("run")
        texts.append(text)
    for number, (host, server) in enumerate(zip(hosts, servers, strict=True)):
        other, its = hosts[1 - number], servers[1 - number]
        key = other.done("announce", "--key", "partners").out.strip()
        values = {"feed": other.path("pins.jws"), "key": key, "port": its.smtp, "directory": server.directory}
        host.configure(texts[number] + PEER.format(**values))
        host.done("run")
        server.set(
            transport_maps=f"inline:{{ {{ {names[1 - number]} = smtp:[127.0.0.1]:{its.smtp} }} }}",
            smtp_tls_policy_maps=f"hash:{server.directory}/tls_policy.certctl",
            mydestination=names[number],
        )
        server.reload()
    return Mailer(hosts[0], servers[0], names[0]), Mailer(hosts[1], servers[1], names[1])


def test_ten_rotations_without_a_deferral(start: Start, scratch: str, clock: Clock) -> None:
    """Mail flows both ways all the time, pinned, while both hosts rotate ten times on a compressed clock."""
    alice, bob = pair(start, scratch)
    flows = {
        one: Flow(one.mail, other.mail, f"b@{other.domain}") for one, other in ((alice, bob), (bob, alice))
    }
    with flows[alice], flows[bob]:
        for number in range(2, 12):
            for one in (alice, bob):
                assert "hold-down 1h" in one.host.done("rotate", "mx").out
                assert one.host.generation() == number - 1
            clock.pass_(HOLD)
            for one, other in ((alice, bob), (bob, alice)):
                one.host.done("run")
                assert one.host.generation() == number
                check_files(one.host)
                flows[other].moves()  # the other has not fetched the feed since
                other.host.done("peers")
                flows[other].moves()
    for one, other in ((alice, bob), (bob, alice)):
        assert flows[one].check() >= 30
        assert check_invariants(one.host, HOLD) == 11
        assert len({line for line in one.mail.log().splitlines() if "reload --" in line}) >= 10
        # What is announced, what is printed, and what the other looks up are the same pins.
        clock.pass_(HOLD)
        one.host.done("run")
        other.host.done("run")
        line = one.host.read("tls_policy.mine").strip()
        assert one.host.done("fingerprints", "--format", "policy").out.strip() == line
        assert sorted(other.looked_up(one.mail.smtp).split()) == sorted(line.split()[1:])


def test_a_forced_rotation_to_the_standby_defers_nothing(start: Start, scratch: str, clock: Clock) -> None:
    """After a compromise the standby key is served at once: peers that follow the feed know it already."""
    alice, bob = pair(start, scratch)
    clock.pass_(HOLD)
    bob.host.done("run")
    old = alice.host.certificate()["current"]["keys"][0]["key_sha256"]
    forced = alice.host.done("rotate", "--compromised", "mx")
    assert "warning" not in forced.err
    assert "mx: who follows partners has been told the next pin" in forced.err
    assert alice.host.generation() == 2
    bob.sends(alice)
    assert old in bob.looked_up(alice.mail.smtp)
    bob.host.done("run")
    assert old not in bob.looked_up(alice.mail.smtp)  # whoever has the old key is not believed any more
    bob.sends(alice)
    again = alice.host.done("rotate", "--force", "mx")
    assert "who follows partners has been told only 0s ago, hold-down 1h: " not in again.err
    assert "certctl: warning: mx: who follows partners has been told only" in again.err


def test_an_aborted_rotation_retracts_the_pin(start: Start, scratch: str, clock: Clock) -> None:
    """rotate --abort takes the next pin back and announces another one, whose hold-down begins anew."""
    alice, bob = pair(start, scratch)
    before = bob.looked_up(alice.mail.smtp)
    clock.pass_(HOLD / 2)
    alice.host.done("rotate", "--abort", "mx")
    bob.host.done("run")
    after = bob.looked_up(alice.mail.smtp)
    current = alice.host.certificate()["current"]["keys"][0]["key_sha256"]
    assert current in before and current in after
    assert len(set(before.split()) & set(after.split())) == 2  # "fingerprint", and the current pin
    alice.host.done("rotate", "mx")
    clock.pass_(HOLD / 2 + 1)
    alice.host.done("run")
    assert alice.host.generation() == 1
    clock.pass_(HOLD / 2)
    alice.host.done("run")
    assert alice.host.generation() == 3
    bob.sends(alice)
