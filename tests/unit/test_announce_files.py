"""Policy lines and zone files: what is in them, when it counts as seen, and that drift is repaired."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.programs import BROKEN
from tests.support.world import World

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org", "192.0.2.25"]
keys = ["ecdsa-p256", "ed25519"]
hold_down = "1h"
announce = ["lines", "zone"]
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
[announce.lines]
type = "policy"
path = "tls/policy"
{lines}
[announce.zone]
type = "tlsa"
path = "tls/zone"
ports = [25, 465]
ttl = 600
{zone}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    configure(made)
    return made


def configure(world: World, lines: str = "", zone: str = "", config: str = CONFIG) -> None:
    world.configure(config.format(lines=lines, zone=zone))


def printed(world: World, form: str, *more: str) -> str:
    return world.done("fingerprints", "mx1", "--format", form, *more).out


def records(world: World) -> set[str]:
    """The zone file without the TTLs that `certctl fingerprints` does not know."""
    return {line.replace(" 600 IN ", " IN ") for line in (world.tls / "zone").read_text().splitlines()}


def kinds(world: World) -> list[tuple[str, str]]:
    return [(step["kind"], step["subject"]) for step in world.steps()]


def test_what_is_announced_is_what_is_printed(world: World) -> None:
    """To the byte: lines of `certctl fingerprints` and of the announcers, through all of a rotation."""
    world.done("run")
    for _ in range(3):
        assert (world.tls / "policy").read_text() == printed(world, "policy")
        assert (world.tls / "zone").read_text() == printed(world, "tlsa")
        assert records(world) == set(printed(world, "tlsa", "--port", "25", "--port", "465").splitlines())
        world.done("rotate", "mx1")
        world.later(hours=1)
        world.done("run")
        assert (world.tls / "policy").read_text().count("match=") == 2 * 6
    world.later(hours=1)
    world.done("run")
    assert (world.tls / "policy").read_text() == printed(world, "policy")
    assert (world.tls / "policy").read_text().count("match=") == 2 * 4


def test_certificates_that_are_pinned(world: World) -> None:
    """Where certificates are pinned, policy lines have their fingerprints, TLSA records still the keys'."""
    configure(world, config=CONFIG.replace('hold_down = "1h"', 'hold_down = "1h"\npin = "certificate"'))
    world.done("run")
    assert (world.tls / "policy").read_text() == printed(world, "policy", "--of", "certificate")
    assert records(world) == set(printed(world, "tlsa", "--port", "25", "--port", "465").splitlines())
    world.later(days=59, hours=23)  # two thirds of 90 days, and the hold-down earlier
    world.done("run")
    assert (world.tls / "policy").read_text().count("match=") == 2 * 4
    assert (world.tls / "policy").read_text() == printed(world, "policy", "--of", "certificate")


def test_next_hops_of_the_announcer(world: World) -> None:
    """Each next-hop that is wanted gets a line with all pins; two certificates behind one share it."""
    more = CONFIG.replace('"zone"]', '"zone"]\n', 1) + '[certificate.mx2]\nnames = ["mx2.example.org"]\n'
    configure(world, lines='nexthops = ["[mail.example.org]", "example.org:smtp"]',
              config=more + 'announce = ["lines"]\n')  # fmt: skip
    world.done("run")
    lines = (world.tls / "policy").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["[mail.example.org]", "example.org:smtp"]
    pins = [word for name in ("mx1", "mx2") for word in world.done(
        "fingerprints", name, "--format", "policy").out.splitlines()[0].split()[2:]]  # fmt: skip
    assert [line.split()[2:] for line in lines] == [pins, pins]


@pytest.mark.parametrize("name", ["policy", "zone"])
def test_drift_is_repaired(world: World, name: str) -> None:
    """A file that was edited, emptied, opened to others, linked away or removed is put right."""
    world.done("run")
    path = world.tls / name
    right = path.read_bytes()
    announcer = {"policy": "lines", "zone": "zone"}[name]

    def repaired(reason: str) -> None:
        [step] = world.steps()
        assert (step["kind"], step["subject"]) in (("announce", announcer), ("retract", announcer))
        assert reason in step["reason"]
        world.done("run")
        assert path.read_bytes() == right
        assert path.stat().st_mode & 0o7777 == 0o644
        assert not path.is_symlink()
        assert world.steps() == []

    path.write_bytes(right.replace(b"\n", b" \n"))
    repaired("the pins of mx1 changed")
    path.write_bytes(b"")
    repaired("the pins of mx1 changed")
    path.write_bytes(right + b"[evil.example] fingerprint match=00\n")
    repaired("[evil.example] is not to be announced any more")
    path.write_bytes(b"".join(reversed(right.splitlines(keepends=True))))
    repaired("does not hold what is announced")
    path.chmod(0o666)
    repaired("has mode 0666, not 0644")
    path.unlink()
    repaired("is missing")
    path.unlink()
    path.symlink_to("/etc/passwd")
    repaired("is a symlink, not a file")


def test_what_is_configured_no_more_is_retracted(world: World) -> None:
    """A certificate that is announced no more leaves the files with the next pass."""
    world.done("run")
    configure(world, config=CONFIG.replace('announce = ["lines", "zone"]', 'announce = ["zone"]'))
    assert ("retract", "lines") in kinds(world)
    world.done("run")
    assert (world.tls / "policy").read_text() == ""
    assert world.steps() == []


def test_a_certificate_whose_state_is_unreadable_is_not_retracted(world: World) -> None:
    """What cannot be read says nothing: its pins stay announced."""
    world.done("run")
    before = (world.tls / "policy").read_bytes()
    state = Path(world.layout.state("mx1"))
    state.unlink()
    state.mkdir()
    ran = world("run")
    assert ran.code == 1
    assert (world.tls / "policy").read_bytes() == before


def test_a_failure_waits_for_its_back_off(world: World) -> None:
    """An announcer that cannot write is told, waits over passes, and holds up nothing else."""
    configure(world, lines='owner = "nobody-of-that-name"')
    ran = world("run")
    assert ran.code == 1
    assert "there is no such user" in ran.err
    assert (world.tls / "zone").read_text() != ""
    assert world.status()["mx1"]["next"]["announced_at"] is None
    assert world("run").code == 1  # at once, since there is a next pin now
    ran = world("run")
    assert ran.code == 1
    assert "announce lines: failed: the owner of" in ran.err
    plan = world.done("plan", "--json").document
    assert [hold["kind"] for hold in plan["holds"] if hold["subject"] == "lines"] == ["announce"]
    assert plan["steps"] == []
    held = world("rotate", "mx1").out
    assert "the next key has not been seen through lines yet: the owner of" in held
    configure(world)  # mended: there is nothing to wait for
    world.done("run")
    assert world.status()["mx1"]["next"]["announced_at"] is not None


def test_seen_once_hooks_have_run(world: World) -> None:
    """A file that a hook carries further is not seen before the hook has run; the hold-down begins then."""
    configure(world, zone='hooks = ["reload"]')
    (world.root / BROKEN).touch()
    assert world("run").code == 1
    assert world.status()["mx1"]["next"]["announced_at"] is None
    (world.root / BROKEN).unlink()
    world.later(minutes=30)
    began = world.now
    world.done("run")
    seen = world.done("announce", "--show", "--json").document["certificates"][0]["slots"]["next"]["seen"]
    assert seen["zone"] >= began.strftime("%Y-%m-%dT%H:%M:%S")
    assert seen["zone"] > seen["lines"]
    log = (world.root / "reload.log").read_text()
    assert str(world.tls / "zone") in log


def test_zone_files_are_held_for_twice_their_ttl(world: World) -> None:
    """Resolvers may hold the records before for the TTL, so no hold-down is shorter than twice that."""
    configure(world, config=CONFIG.replace('hold_down = "1h"', 'hold_down = "1m"'))
    world.done("run")
    world.done("rotate", "mx1")
    world.later(minutes=19)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 1
    world.later(minutes=1)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 2


def test_previous_stays_while_a_server_may_serve_it(world: World) -> None:
    """As long as the reload fails, the server shows the previous key: it stays announced beyond its time."""
    world.done("run")
    previous = printed(world, "policy", "--slot", "current").split()[2]
    world.later(hours=1)
    (world.root / BROKEN).touch()
    assert world("rotate", "mx1").code == 1
    world.later(hours=3)
    assert world("run").code == 1
    assert previous in (world.tls / "policy").read_text()
    (world.root / BROKEN).unlink()
    world.later(hours=3)
    world.done("run")
    assert previous not in (world.tls / "policy").read_text()


def test_rolling_back_to_what_is_not_announced_warns(world: World) -> None:
    """A rollback goes at once, and says whose pins break if the previous ones were retracted meanwhile."""
    world.done("run")
    world.later(hours=1)
    world.done("rotate", "mx1")
    assert "warning" not in world.done("rollback", "mx1").err
    world.later(hours=2)
    world.done("run")
    assert "the previous pins are not shown through lines any more" in world.done("rollback", "mx1").err
    assert (world.tls / "policy").read_text() == printed(world, "policy")
    assert world.status()["mx1"]["current"]["announced_at"] is not None


class _Site(http.server.ThreadingHTTPServer):
    """A web server that shows whatever bytes it is given."""

    shows = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tls_policy"


class _Page(http.server.BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.shows)))
        self.end_headers()
        self.wfile.write(self.server.shows)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[_Site]:
    with _Site(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_clock_starts_when_it_can_be_read(world: World, site: _Site) -> None:
    """With a check URL the hold-down begins once the very bytes can be read there, as the plan says."""
    configure(world, lines=f'check = "{site.url}"')
    world.done("run")
    lagging = f"{site.url} does not show what {world.tls / 'policy'} holds"
    assert lagging in world.done("plan").out
    assert f"has not been seen through lines yet: {lagging}" in world.done("rotate", "mx1").out
    world.later(hours=5)
    world.done("run")
    assert lagging in world.done("plan").out
    assert world.status()["mx1"]["next"]["announced_at"] is None

    site.shows = (world.tls / "policy").read_bytes()
    world.later(hours=1)
    began = world.now
    world.done("run")
    seen = world.status()["mx1"]["next"]["announced_at"]
    assert seen >= began.strftime("%Y-%m-%dT%H:%M:%S")
    world.later(minutes=59)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 1
    world.later(minutes=2)
    world.done("run")
    assert world.status()["mx1"]["current"]["generation"] == 2


def test_asking_again_is_planned(world: World, site: _Site) -> None:
    """Who lags is asked again when the plan says, ever more seldom, at last every five minutes."""
    configure(world, lines=f'check = "{site.url}"')
    world.done("run")
    pauses = []
    for _ in range(12):
        due = world.done("plan", "--json").document
        assert due["steps"] == []
        [hold] = [hold for hold in due["holds"] if hold["kind"] == "announce"]
        assert hold["until"] == due["next_pass_at"]
        pauses.append(_seconds(due["now"], due["next_pass_at"]))
        world.later(seconds=pauses[-1] + 0.01)
        world.done("run")
    assert pauses[0] <= 4
    assert all(later > earlier - 1 for earlier, later in pairwise(pauses))
    assert 290 < pauses[-1] <= 300


def _seconds(earlier: str, later: str) -> float:
    from certctl.planning.times import parse_rfc3339

    return (parse_rfc3339(later) - parse_rfc3339(earlier)).total_seconds()


def test_modes_and_owners(world: World) -> None:
    """The files have the mode, owner and group that are configured, however they began."""
    configure(world, lines=f'mode = "0640"\nowner = "{os.getuid()}"\ngroup = "{os.getgid()}"')
    world.done("run")
    info = (world.tls / "policy").stat()
    assert (info.st_mode & 0o7777, info.st_uid, info.st_gid) == (0o640, os.getuid(), os.getgid())


def test_names_that_cannot_be_announced(world: World) -> None:
    """A certificate for an address alone has no TLSA records: that is an error, not an empty file."""
    configure(world, config=CONFIG.replace('["mx1.example.org", "192.0.2.25"]', '["192.0.2.25"]'))
    ran = world("run")
    assert ran.code == 1
    assert "mx1 cannot be announced: it has no name that can have TLSA records" in ran.err
