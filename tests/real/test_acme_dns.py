"""dns-01 against a real Pebble, with real BINDs, TSIG, and Unbound as everybody's resolver."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.issuer import AcmeIssuer
from tests.fault.acme_child import Task, children
from tests.real.acme_world import World, checked
from tests.real.dns_world import at_port_53, own_address, serve_at
from tests.real.servers.bind import Bind, bind, secondary
from tests.real.servers.pebble import pebble
from tests.real.servers.process import accepts, daemon, until
from tests.real.servers.require import missing, program
from tests.real.servers.scratch import scratch_directory, write
from tests.real.servers.start import Start
from tests.real.servers.unbound import unbound


class DnsWorld(NamedTuple):
    """A CA whose resolver knows example.test (two servers) and proofs.test (one), each with its own key."""

    world: World
    primary: Bind
    follower: Bind
    proofs: Bind
    resolver: str

    def issuer(self, home: str, dns: str = "rfc2136", **options: object) -> AcmeIssuer:
        """Return an issuer with a *home* of the test's own; by default it updates *primary*."""
        update = {"server": f"127.0.0.1:{self.primary.port}", "tsig_key_file": self.primary.key_file}
        known = {
            "propagation": 10.0,
            **(update if dns == "rfc2136" else {}),
            **options,
            "resolver": self.resolver,
        }
        return self.world.issuer(f"issuers/{home}", challenge="dns-01", dns=dns, dns_options=known)

    def txt(self, name: str = "_acme-challenge") -> list[str]:
        return self.primary.records(name, "TXT")


@contextlib.contextmanager
def dns_world(scratch: str) -> Iterator[DnsWorld]:
    one, two, three = own_address(), own_address(), own_address()
    with contextlib.ExitStack() as stack:
        start = Start(scratch, stack)
        primary = start(bind, records="host IN A 127.0.0.1\nalias IN A 127.0.0.1\n")
        follower = start(secondary, primary)
        proofs = start(bind, zone="proofs.test")
        serve_at(primary, one, two)
        serve_at(proofs, three)
        for server, address in ((primary, one), (follower, two), (proofs, three)):
            stack.enter_context(at_port_53(server, address))
        zones = {"example.test": ("127.0.0.1", primary.port), "proofs.test": ("127.0.0.1", proofs.port)}
        resolver = start(unbound, zones=zones, cache_seconds=0)
        ca = start(pebble, nonce_reject=20, dns=f"127.0.0.1:{resolver.port}")
        yield DnsWorld(World(ca, scratch), primary, follower, proofs, f"127.0.0.1:{resolver.port}")


@pytest.fixture(scope="module")
def shared() -> Iterator[DnsWorld]:
    """One set of servers for all tests here; the secondary copies the zone as soon as it changes."""
    with scratch_directory() as scratch, dns_world(scratch) as found:
        over = threading.Event()
        keeper = threading.Thread(target=keep_up, args=(found, over))
        keeper.start()
        yield found
        over.set()
        keeper.join()


def keep_up(found: DnsWorld, over: threading.Event) -> None:
    """Tell the secondary of changes."""
    told = ""
    while not over.wait(0.02):
        serial = found.primary.records("@", "SOA")[0]
        if serial != told:
            notify(found)
            told = serial


def notify(found: DnsWorld) -> None:
    """Send NOTIFY (RFC 1996), as a primary does that knows its secondaries' ports."""
    message = dns.message.make_query("example.test.", "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags |= dns.flags.AA
    with contextlib.suppress(OSError, dns.exception.DNSException):
        dns.query.udp(message, "127.0.0.1", port=found.follower.port, timeout=1)


def test_wildcard_and_its_parent(shared: DnsWorld) -> None:
    """Two proofs stand side by side under one name; both servers have them first, and nothing stays."""
    request = shared.world.request("example.test", "*.example.test", "host.example.test")
    checked(shared.issuer("wildcard").issue(request), request, shared.world.pebble.root())
    assert shared.txt() == shared.txt("_acme-challenge.host") == []


def test_cname_into_another_zone(shared: DnsWorld) -> None:
    """_acme-challenge may point elsewhere: only that zone is written to, with its own server and key."""
    update = shared.primary.update()
    update.replace("_acme-challenge.alias.example.test.", 1, "CNAME", "_acme-challenge.hop.example.test.")
    update.replace("_acme-challenge.hop.example.test.", 1, "CNAME", "alias.proofs.test.")
    shared.primary.send(update)
    server, key = f"127.0.0.1:{shared.proofs.port}", shared.proofs.key_file
    issuer = shared.issuer("cname", server=server, tsig_key_file=key)
    request = shared.world.request("alias.example.test", "*.alias.example.test", certificate="alias")
    checked(issuer.issue(request), request, shared.world.pebble.root())
    assert shared.proofs.records("alias", "TXT") == []


def test_circle_of_cnames(shared: DnsWorld) -> None:
    """CNAMEs that lead in a circle are named, before anything is written."""
    update = shared.primary.update()
    update.replace("_acme-challenge.round.example.test.", 1, "CNAME", "x.example.test.")
    update.replace("x.example.test.", 1, "CNAME", "_acme-challenge.round.example.test.")
    shared.primary.send(update)
    with pytest.raises(CertctlError, match=r"CNAMEs of .* lead nowhere"):
        shared.issuer("circle").issue(shared.world.request("round.example.test", certificate="round"))


def test_two_orders_at_once(shared: DnsWorld) -> None:
    """Orders for the same names do not take each other's records away."""
    issuer = shared.issuer("two")
    requests = [shared.world.request("host.example.test", certificate=f"c{n}") for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        for request, answer in zip(requests, pool.map(issuer.issue, requests), strict=True):
            checked(answer, request, shared.world.pebble.root())
    assert shared.txt("_acme-challenge.host") == []


def test_server_that_lags(scratch: str) -> None:
    """While one authoritative server lacks the record the CA is not told; it is named, and nothing stays."""
    with dns_world(scratch) as found:  # where nobody tells the secondary of changes
        request = found.world.request("host.example.test")
        with pytest.raises(CertctlError, match=r"ns2\.example\.test \(127\..* does not show") as caught:
            found.issuer("late", propagation=0.5).issue(request)
        assert "dig +norecurse TXT _acme-challenge.host.example.test @127." in str(caught.value.hint)
        assert found.txt("_acme-challenge.host") == []
        checked(found.issuer("unchecked", propagation=0.0).issue(request), request)


def test_wrong_key(shared: DnsWorld, tmp_path: Any) -> None:
    """What the server says of a TSIG key that it does not know reaches the person."""
    clause = 'key "other" { algorithm hmac-sha256; secret "AAAAAAAAAAAAAAAAAAAAAA=="; };'
    wrong = write(str(tmp_path / "key"), clause, 0o600)
    words = r"127\.0\.0\.1:\d+ did not take the DNS update of _acme-challenge\.host\.example\.test: .*key"
    with pytest.raises(CertctlError, match=words):
        shared.issuer("wrong", tsig_key_file=wrong).issue(shared.world.request("host.example.test"))


COMMAND = """
import json, os, sys
import dns.query, dns.tsigkeyring, dns.update
zone, port, secret, log = sys.argv[1:5]
action, name, value = sys.argv[5:]
open(log, "a").write(json.dumps([action, name, os.environ["CERTCTL_TTL"]]) + "\\n")
update = dns.update.UpdateMessage(zone, keyring=dns.tsigkeyring.from_text({"certctl": secret}))
change = update.add if action == "add" else update.delete
change(name + ".", *((1, "TXT", value) if action == "add" else ("TXT", value)))
sys.exit(dns.query.tcp(update, "127.0.0.1", port=int(port), timeout=5).rcode())
"""


def test_command(shared: DnsWorld, tmp_path: Any) -> None:
    """A program of the user's own adds and removes the records."""
    log = str(tmp_path / "log")
    argv = [
        sys.executable,
        "-c",
        COMMAND,
        "example.test",
        str(shared.primary.port),
        shared.primary.secret,
        log,
    ]
    request = shared.world.request("host.example.test", certificate="by-command")
    issuer = shared.issuer("good", "command", command=tuple(argv))
    checked(issuer.issue(request), request, shared.world.pebble.root())
    with open(log, encoding="ascii") as file:
        calls = [json.loads(line) for line in file]
    assert calls == [[action, "_acme-challenge.host.example.test", "60"] for action in ("add", "remove")]


def test_command_that_fails(shared: DnsWorld) -> None:
    """Its exit status and its last words are in the message; a hanging one is ended with its children."""
    request = shared.world.request("host.example.test", certificate="bad-command")
    failing = shared.issuer("failing", "command", command=("sh", "-c", "echo no such zone; exit 7"))
    with pytest.raises(CertctlError, match="failed with 7: no such zone"):
        failing.issue(request)
    hanging = shared.issuer("hanging", "command", command=("sh", "-c", "sleep 60 | cat"), timeout=0.2)
    with pytest.raises(CertctlError, match=r"ended after 0\.2 s"):
        hanging.issue(request)


def test_lexicon(shared: DnsWorld, tmp_path: Any) -> None:
    """A provider of dns-lexicon (its ddns, that is RFC 2136 again) does the same."""
    if importlib.util.find_spec("lexicon") is None:
        missing("dns-lexicon is not installed", "pip install 'certctl[dns]'")
    request = shared.world.request("*.example.test", certificate="lexicon")
    # Its ddns knows port 53 only.
    address = own_address()
    token = write(str(tmp_path / "token"), f"hmac-sha256:certctl:{shared.primary.secret}\n", 0o600)
    relay = ["socat", f"TCP-LISTEN:53,bind={address},fork,reuseaddr", f"TCP:127.0.0.1:{shared.primary.port}"]
    ready = lambda: accepts(53, address=address)  # noqa: E731
    with daemon([program(relay[0]), *relay[1:]], log=str(tmp_path / "log"), ready=ready):
        checked(
            shared.issuer("lexicon", "ddns", auth_token_file=token, ddns_server=address).issue(request),
            request,
            shared.world.pebble.root(),
        )
    assert shared.txt() == []


def test_records_of_a_dead_process(scratch: str) -> None:
    """Records that a killed process had put up are taken away by the next one."""
    with dns_world(scratch) as found, children() as processes:
        waiting = found.issuer("dead", propagation=30.0)
        assert waiting.spec.acme is not None
        request = found.world.request("host.example.test", certificate="dead")
        options = {**waiting.spec.acme._asdict(), "dns_options": dict(waiting.spec.acme.dns_options)}
        task = Task(options, waiting.home, request.work_dir, list(request.names), request.key_pem.decode())
        host = "_acme-challenge.host"

        def kill_when_it_waits(pid: int) -> None:
            until(lambda: found.txt(host), "the record is put up", log=task.log)
            os.kill(pid, signal.SIGKILL)

        assert processes.run(task, kill_when_it_waits)[0] == -signal.SIGKILL
        assert len(found.txt(host)) == 1
        other = found.world.request("example.test", certificate="alive")
        checked(found.issuer("dead", propagation=0.0).issue(other), other, found.world.pebble.root())
        assert found.txt(host) == []
        assert os.listdir(os.path.join(waiting.home, "leftovers")) == []
