"""DNS updates that are cut short: killed at any of their operations, failed by the disk, without a server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from certctl.dns import wire
from tests.real.dns_world import ZONE, at_port_53, own_address, serve_at
from tests.real.servers.bind import Bind, bind
from tests.real.servers.ports import free_port
from tests.real.servers.scratch import scratch_directory
from tests.support import crash, evidence, invariants
from tests.support.world import Snapshot, World

OWNER = f"_25._tcp.mx.{ZONE}."
FOREIGN = f"3 1 1 {'ab' * 32}"
CONFIG = """
[certificate.mx]
names = ["mx.example.test"]
hold_down = "1h"
announce = ["dane"]
[[certificate.mx.file]]
path = "tls/mx.pem"
hooks = ["reload"]
[announce.dane]
type = "dns"
server = "127.0.0.1:{port}"
zone = "example.test"
tsig_key_file = "{key}"
ttl = 60
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Bind]:
    """A zone on one server, which the world finds at port 53."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_directory())
        primary = stack.enter_context(bind(scratch, zone=ZONE))
        address = own_address()
        serve_at(primary, address)
        stack.enter_context(at_port_53(primary, address))
        yield primary


@pytest.fixture
def zone(server: Bind, world: World) -> Zone:
    """A host that has announced its pins in a zone where somebody else has a record at the same name."""
    return Zone(server, world)


class Zone:
    """The records of one name, and a host that announces there."""

    def __init__(self, server: Bind, world: World) -> None:
        self.server = server
        self.world = world
        self.put([FOREIGN])
        self.configure(server.port)
        world.done("run")
        world.later(hours=2)
        self.begin: Snapshot = world.save()
        self.records = self.tlsa()
        assert sorted(self.records) == sorted([FOREIGN, *self.printed()])

    def configure(self, port: int) -> None:
        self.world.configure(CONFIG.format(port=port, key=self.server.key_file))

    def put(self, records: list[str]) -> None:
        update = self.server.update()
        update.delete(OWNER, "TLSA")
        for data in records:
            update.add(OWNER, 60, "TLSA", data)
        self.server.send(update)

    def tlsa(self) -> list[str]:
        return [record.lower() for record in self.server.records(OWNER, "TLSA")]

    def restore(self) -> None:
        """Bring host and zone back to where they began."""
        self.begin.restore()
        self.put(self.records)

    def printed(self) -> list[str]:
        lines = self.world.done("fingerprints", "mx", "--format", "tlsa").out.splitlines()
        return [line.split("TLSA ")[1] for line in lines]

    def check_served(self) -> None:
        """At any instant what is served can be found in the zone, and what is others' is there."""
        (found,) = evidence.served((self.world.tls / "mx.pem").read_bytes())
        assert f"3 1 1 {found.pin}" in self.tlsa()
        assert FOREIGN in self.tlsa()

    def check_settled(self) -> None:
        """One more pass, and the zone holds what is printed, what is others', and nothing else."""
        self.world.done("run")
        assert sorted(self.tlsa()) == sorted([FOREIGN, *self.printed()])
        assert self.world.steps() == []
        (row,) = self.world.done("announce", "--show", "--json").document["announcers"]
        assert row["state"] == "ok"


@pytest.mark.parametrize(
    "command",
    [("rotate", "mx", "--abort"), ("rotate", "mx"), ("rotate", "mx", "--compromised")],
    ids=["abort", "rotation", "compromised"],
)
def test_killed(zone: Zone, command: tuple[str, ...], counted: Callable[[str, int], None]) -> None:
    """Killed before an operation of the announcer, or after it, the next pass leaves no pin behind."""
    chosen = _announcing(crash.operations(zone.world, *command))
    for number in chosen:
        zone.restore()
        assert crash.killed(zone.world, number, *command)
        zone.check_served()
        zone.check_settled()
    counted("crash points", len(chosen))


def _announcing(operations: Sequence[crash.Operation]) -> list[int]:
    """The numbers of the operations that the announcer does, and of those that follow them."""
    own = {at for at, done in enumerate(operations, 1) if "/announce/" in done.path}
    assert len(own) > 5
    return sorted(own | {at + 1 for at in own if at < len(operations)})


def test_disk_fails(zone: Zone, counted: Callable[[str, int], None]) -> None:
    """An operation fails: what is served stays told; once the disk is well the zone is as it should be."""
    chosen = _announcing(crash.operations(zone.world, "rotate", "mx", "--abort"))
    for number in chosen:
        zone.restore()
        code = crash.ERRORS[number % len(crash.ERRORS)]
        ran, failed = crash.failing(zone.world, number, code, "rotate", "mx", "--abort")
        assert len(failed) == 1
        if not invariants.was_note_of_a_hook(zone.world, ran, failed[0].path):
            assert ran.code == 1
            assert os.strerror(code).lower() in ran.err
        zone.check_served()
        zone.world.later(hours=2)
        zone.check_settled()
    counted("faults", len(chosen))


def test_the_primary_is_away(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its primary nothing is promoted, other work goes on, and the back-off ends by itself."""
    monkeypatch.setattr(wire, "QUERY_TIMEOUT", 0.2)
    zone.configure(free_port())
    ran = zone.world("rotate", "mx", "--abort")
    assert ran.code == 1
    assert "did not answer" in ran.err
    zone.world.later(hours=2)
    held = zone.world("rotate", "mx")
    assert held.code == 1
    assert "the next key has not been seen through dane yet" in held.out
    assert zone.world.status()["mx"]["current"]["generation"] == 1
    zone.check_served()
    zone.configure(zone.server.port)
    zone.world.done("run")
    zone.world.later(hours=2)
    zone.check_settled()
    assert zone.world.status()["mx"]["current"]["generation"] == 3
