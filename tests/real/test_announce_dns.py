"""TLSA records by DNS update: a real primary, a secondary that may lag, a validating resolver, and mail."""

from __future__ import annotations

import os
from functools import partial

import pytest

from certctl.announce import zone as announcing_zone
from tests.real.announce_world import Clock, Host, check_files, check_invariants, notify, resolver, serial
from tests.real.dns_world import ZONE, Zone, make_zone, own_address
from tests.real.hooks import Hooks
from tests.real.mail_flow import Flow
from tests.real.servers.postfix import postfix
from tests.real.servers.process import until
from tests.real.servers.start import Start
from tests.real.servers.unbound import unbound

CONFIG = """
[certificate.mx]
names = ["mx.example.test", "elsewhere.example.net"]
hold_down = "2s"
announce = ["dane"]
[announce.dane]
type = "dns"
server = "127.0.0.1:{port}"
zone = "example.test"
tsig_key_file = "{key}"
ports = [{mail}]
ttl = {ttl}
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def make_host(scratch: str, zone: Zone, *, ttl: int = 1, mail: int = 25, more: str = "") -> Host:
    values = {"port": zone.primary.port, "key": zone.primary.key_file, "mail": mail, "ttl": ttl}
    return Host(os.path.join(scratch, "host"), CONFIG.format(**values) + more)


def pins(host: Host, *slots: str) -> list[str]:
    """What `certctl fingerprints` says of *slots*, as TLSA data."""
    lines = [
        line
        for slot in slots
        for line in host.done("fingerprints", "--format", "tlsa", "--slot", slot).out.splitlines()
    ]
    return sorted({line.split("TLSA ")[1] for line in lines})


def test_a_lagging_secondary_holds_the_promotion(
    start: Start, scratch: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan names the server that lags; once it shows the pins, twice the old TTL has to pass."""
    monkeypatch.setattr(announcing_zone, "PATIENCE", 0.1)
    zone = make_zone(start)
    host = make_host(scratch, zone, ttl=300)
    old = serial(zone.follower)
    assert "announced" in host.done("run").err
    assert zone.tlsa() == pins(host, "current", "next")
    lagging = f"ns2.{ZONE} ({zone.addresses[1]}) does not show the pins of mx yet: it has serial {old}"
    assert lagging in host.plan()
    held = host.done("rotate", "mx")
    assert f"the next key has not been seen through dane yet: {lagging}" in held.out
    assert host.generation() == 1
    assert host.certificate()["hold_until"] is None
    assert lagging in host.done("announce", "--show").out
    assert lagging in host.done("status").out
    assert "rotation is held until the next key has been seen through dane" in host.done("status").out
    asked = host.done("status", "--json").document["announcers"][0]["servers"]
    assert [(one["name"], one["address"], one["serial"], one["problem"]) for one in asked] == [
        (f"ns1.{ZONE}", zone.addresses[0], serial(zone.primary), None),
        (f"ns2.{ZONE}", zone.addresses[1], old, "it does not show all pins yet"),
    ]

    clock.pass_(3600)  # however long it takes, the clock does not start
    assert lagging in host.done("run").out + host.plan()
    assert host.generation() == 1

    notify(zone.follower)
    until(lambda: serial(zone.follower) == serial(zone.primary), "the secondary follows")
    clock.pass_(3600)
    host.done("run")
    assert lagging not in host.plan()
    assert "hold-down 10m" in host.plan()  # twice 300 s, though hold_down is 2 s
    clock.pass_(590)
    host.done("run")
    assert host.generation() == 1
    clock.pass_(11)
    host.done("run")
    assert host.generation() == 2
    assert check_invariants(host, 600) == 2


def test_only_its_own_records_are_touched(start: Start, scratch: str, clock: Clock) -> None:
    """Others' TLSA records stay; previous pins go after their time, not before."""
    zone = make_zone(start, told=True)
    host = make_host(scratch, zone, ttl=60)  # held for two minutes: no test takes that long
    host.done("run", "mx")
    current = pins(host, "current")[0]
    foreign = [f"3 1 1 {'ab' * 32}", f"2 1 1 {'cd' * 32}", f"3 1 1 {'ef' * 32}"]
    update = zone.primary.update()
    for data in foreign:
        update.add(f"{zone.owner()}.{ZONE}.", 1, "TLSA", data)
    zone.primary.send(update)

    previous = []
    for number in (2, 3):
        clock.pass_(600)
        host.done("run")
        before = pins(host, "current")
        host.done("rotate", "mx")
        assert host.generation() == number
        previous += before
        assert zone.tlsa() == sorted({*pins(host, "current", "next", "previous"), *foreign})
        clock.pass_(1)
        host.done("run")
        assert before[0] in zone.tlsa()
    clock.pass_(600)
    plan = host.plan()
    assert "retract dane" in plan
    host.done("run")
    assert zone.tlsa() == sorted({*pins(host, "current", "next"), *foreign})
    assert current in previous

    # The certificate is announced no more: what is ours goes, what is others' stays.
    host.configure(CONFIG.replace('announce = ["dane"]', "").format(
        port=zone.primary.port, key=zone.primary.key_file, mail=25, ttl=1))  # fmt: skip
    host.done("run")
    assert zone.tlsa() == sorted(foreign)


def test_what_a_zone_lost_is_put_back(start: Start, scratch: str, clock: Clock) -> None:
    """Once a day it is looked whether the records are still there."""
    zone = make_zone(start, told=True)
    host = make_host(scratch, zone)
    host.done("run")
    wanted = zone.tlsa()
    update = zone.primary.update()
    update.delete(f"{zone.owner()}.{ZONE}.", "TLSA")
    zone.primary.send(update)
    assert zone.tlsa() == []
    clock.pass_(23 * 3600)
    host.done("run")
    assert zone.tlsa() == []
    clock.pass_(3600)
    assert "what its servers show is looked at once a day" in host.plan()
    host.done("run")
    assert zone.tlsa() == wanted


def test_a_pin_that_a_zone_lost_is_held_anew(start: Start, scratch: str, clock: Clock) -> None:
    """Caches may hold the records without the next pin: it is put back, and twice the TTL has to pass."""
    zone = make_zone(start, told=True)
    host = make_host(scratch, zone, ttl=300)
    host.done("run", "mx")
    clock.pass_(86_500)
    host.done("run")
    update = zone.primary.update()
    update.delete(f"{zone.owner()}.{ZONE}.", "TLSA", pins(host, "next")[0])
    zone.primary.send(update)
    clock.pass_(86_500)
    host.done("run")
    assert zone.tlsa() == pins(host, "current", "next")
    assert "hold-down 10m" in host.done("rotate", "mx").out
    assert host.generation() == 1
    clock.pass_(601)
    host.done("run")
    assert host.generation() == 2


def test_a_refused_update_is_tried_again(start: Start, scratch: str, clock: Clock) -> None:
    """A primary that refuses is told, waits for its back-off, holds up nothing else, and recovers."""
    zone = make_zone(start, told=True)
    host = make_host(scratch, zone)
    right = host.text
    wrong = os.path.join(scratch, "wrong.key")
    with open(zone.primary.key_file, encoding="utf-8") as source, open(wrong, "w", encoding="utf-8") as file:
        os.chmod(wrong, 0o600)
        file.write(source.read().replace('secret "', 'secret "AAAA'))
    host.configure(right.replace(zone.primary.key_file, wrong))
    ran = host("run")
    assert ran.code == 1
    assert "dane: 127.0.0.1" in ran.err
    assert host.generation() == 1
    assert host.certificate()["next"]["generation"] == 2
    host("run")  # at once, since there is a next pin to be told since
    again = host("run")
    assert again.code == 1
    assert "failed: 127.0.0.1" in again.err
    assert host.done("announce", "--show", "--json").document["announcers"][0]["state"] == "failing"
    host.configure(right)  # other settings, so that there is no reason to wait
    host.done("run")
    assert zone.tlsa() == pins(host, "current", "next")
    assert host.done("announce", "--show", "--json").document["announcers"][0]["state"] == "ok"


def test_dane_mail_flows_through_rotations(
    start: Start, scratch: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postfix checks DANE by a validating resolver that asks both servers, of which one always lags.

    Rotation after rotation: as long as it lags nothing is promoted, the plan names
    it, and no mail is ever deferred.
    """
    # Nobody is told of changes here, so that waiting for the secondary is in vain.
    monkeypatch.setattr(announcing_zone, "PATIENCE", 0.1)
    zone = make_zone(start, signed=True)
    at = own_address()
    names = start(
        unbound,
        zones={ZONE: ("127.0.0.1", zone.primary.port)},
        others={ZONE: [("127.0.0.1", zone.follower.port)]},
        trust_anchors=zone.primary.trust_anchors(),
        address=at,
        port=53,
    )
    hooks = Hooks(scratch)
    start.stack.enter_context(resolver(scratch, at))
    bundle = os.path.join(scratch, "mx.pem")
    hook = os.path.join(hooks.directory, "postfix")
    # Postfix keeps records for a second more than their TTL, so that twice one second would not do.
    host = make_host(scratch, zone, ttl=2)
    more = f"""
[[certificate.mx.file]]
path = "{bundle}"
hooks = ["postfix"]
[hook.postfix]
command = ["{hook}", "--config-dir", "{{directory}}"]
"""
    plain = host.text
    # The port is known once the server runs, and the server runs once it has a certificate.
    host.configure(plain + more.replace('["postfix"]', "[]"))
    host("run")
    server = start(postfix, chain_files=[bundle], hostname="mx.example.test")
    text = plain.replace("ports = [25]", f"ports = [{server.smtp}]")
    host.configure(text + more.replace("{directory}", server.directory))
    clock.pass_(60)
    host.done("run")
    client = start(
        postfix,
        routes={ZONE: f"smtp:[mx.{ZONE}]:{server.smtp}"},
        hostname="client.test",
        parameters={
            "mydestination": "client.test",
            "smtp_tls_security_level": "dane",
            "smtp_dns_support_level": "dnssec",
            "smtp_host_lookup": "dns",
            "smtp_tls_policy_maps": "",
        },
    )
    owner = f"{zone.owner(server.smtp)}.{ZONE}."
    notify(zone.follower)
    until(lambda: names.validates(owner, "TLSA"), "the resolver validates the records", seconds=30)
    host.done("announce")
    flow = Flow(client, server, f"b@{ZONE}")

    def rotated(number: int) -> bool:
        host.done("run")
        flow.moves()
        return host.generation() == number

    with flow:
        for number in (2, 3, 4):
            if number > 2:
                lagging = f"ns2.{ZONE} ({zone.addresses[1]}) does not show the pins of mx yet"
                held = host.done("rotate", "mx").out
                assert f"the next key has not been seen through dane yet: {lagging}" in held
                assert f"it has serial {serial(zone.follower)}, the primary {serial(zone.primary)}" in held
                assert lagging in host.plan()
                assert host.generation() == number - 1
                flow.moves()
                notify(zone.follower)
                until(lambda: serial(zone.follower) == serial(zone.primary), "the secondary follows")
                host.done("announce")
            else:
                host.done("rotate", "mx")
            # Caches live by the real clock, so this takes twice the TTL each time.
            until(partial(rotated, number), f"generation {number} is served", seconds=60)
            check_files(host)
        current = pins(host, "current")
        until(lambda: rotated(4) and "previous" not in _shown(host), "the old pin goes", seconds=60)
        assert zone.tlsa(server.smtp) == pins(host, "current", "next")
    assert flow.check() >= 30
    assert check_invariants(host, 2) == 4
    told = [event for event in host.journal() if event["event"] == "seen"]
    assert all(name in event["servers"] for event in told for name in (f"ns1.{ZONE}", f"ns2.{ZONE}"))
    # What the world sees by its own resolver, which is this host's, is what is served.
    notify(zone.follower)
    until(lambda: serial(zone.follower) == serial(zone.primary), "the secondary follows")
    until(lambda: host("probe", "--dane").code == 0, "probe finds all in order", seconds=30)
    assert current[0] in host.done("probe", "--dane", "--json").out


def _shown(host: Host) -> list[str]:
    """The slots whose pins are told."""
    (cert,) = host.done("announce", "--show", "--json").document["certificates"]
    return [slot for slot, found in cert["slots"].items() if found and not found["retracted"]]
