"""Following peers: what gets into the map, when it changes, and that a hook runs for nothing else."""

from __future__ import annotations

import json
import os
import ssl
import threading
from pathlib import Path

import pytest

from tests.support.programs import BROKEN
from tests.support.world import World
from tests.unit.peers_world import NEXTHOP, Follower, Signer, document, pin


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    root = tmp_path / "world"
    root.mkdir()
    return Follower(root, World(root, monkeypatch))


def hooked(follower: Follower) -> int:
    """How often the hook ran."""
    log = follower.world.root / "reload.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_every_pass_follows(follower: Follower) -> None:
    """A pass fetches, checks, writes one line with every pin, runs the hook; the next one does nothing."""
    follower.publish(document(1, 1, 2, 3))
    ran = follower.world.done("run")
    assert f"wrote {follower.map}" in ran.err
    assert follower.pins() == sorted([pin(1), pin(2), pin(3)])
    assert hooked(follower) == 1
    before = follower.map.stat()
    assert "nothing to do" in follower.world.done("run").err
    assert follower.map.stat().st_mtime_ns == before.st_mtime_ns
    assert hooked(follower) == 1


def test_the_map_is_stable(follower: Follower) -> None:
    """Pins that only change their slots, and a feed that was issued anew, leave the map's bytes alone."""
    follower.publish(document(1, 1, 2))
    follower.world.done("run")
    before = follower.map.stat()
    follower.publish(document(2, 2, None, 1))
    follower.world.done("run")
    assert follower.map.stat().st_ino == before.st_ino
    assert hooked(follower) == 1
    follower.publish(document(3, 2, 3, 1))
    follower.world.done("run")
    assert follower.pins() == [pin(1), pin(2), pin(3)]
    assert hooked(follower) == 2


def test_only_between_the_markers(follower: Follower) -> None:
    """What stands outside of certctl's markers stays as it is, and so do the file's mode and owner."""
    follower.map.write_text("# mine\nexample.org secure\n# certctl: begin\nold\n# certctl: end\n\n.org may\n")
    follower.map.chmod(0o640)
    follower.publish()
    follower.world.done("run")
    lines = follower.map.read_text().split("\n")
    assert lines[:2] == ["# mine", "example.org secure"]
    assert lines[3] == f"{NEXTHOP} fingerprint match={pin(1)} match={pin(2)}"
    assert lines[-3:] == ["", ".org may", ""]
    assert follower.map.stat().st_mode & 0o7777 == 0o640
    assert follower.map.stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("example.org secure\n", "is not certctl's own, and has no place for its lines"),
        ("# certctl: end\n# certctl: begin\n", "it must have one line"),
        ("# certctl: begin\n# certctl: begin\n# certctl: end\n", "it must have one line"),
        (f"# certctl\n{NEXTHOP.upper()} may\n# certctl: begin\n# certctl: end\n", "before certctl's own"),
        ("# certctl: begin\n# certctl: end\n  match=AA\n", "begins with white space"),
        ("# certctl: begin\n# certctl: end\n# a\n\n\tmatch=AA\n", "begins with white space"),
    ],
)
def test_maps_in_which_lines_would_not_count(follower: Follower, text: str, reason: str) -> None:
    """A map that is somebody else's, or in which certctl's lines would be void, is left alone."""
    follower.map.write_text(text)
    follower.publish()
    ran = follower.world("run")
    assert ran.code == 1
    assert reason in ran.err
    assert follower.map.read_text() == text
    assert hooked(follower) == 0 or text.startswith("# certctl")


def test_a_map_that_leads_elsewhere(follower: Follower) -> None:
    """A symlink in the place of the map is not followed."""
    victim = follower.world.root / "victim"
    victim.write_text("mine\n")
    follower.map.symlink_to(victim)
    follower.publish()
    assert follower.world("run").code == 1
    assert victim.read_text() == "mine\n"


def test_drift_is_repaired_without_the_peer(follower: Follower) -> None:
    """What is in the map follows from what was believed: it is put right even if the feed is gone."""
    follower.publish()
    follower.world.done("run")
    follower.feed.unlink()
    for damage in (
        follower.map.unlink,
        lambda: follower.map.write_text("# certctl: begin\nx\n# certctl: end\n"),
    ):
        damage()
        assert next(step["kind"] for step in follower.world.steps()) == "write"
        ran = follower.world("run")
        assert ran.code == 1
        assert follower.pins() == [pin(1), pin(2)]


def test_a_failed_hook_is_not_forgotten(follower: Follower) -> None:
    """The map is written, the hook fails: it runs again until it succeeds, though nothing changes."""
    follower.publish()
    (follower.world.root / BROKEN).touch()
    assert follower.world("run").code == 1
    assert follower.pins() == [pin(1), pin(2)]
    (follower.world.root / BROKEN).unlink()
    follower.world.later(minutes=5)
    follower.world.done("run")
    assert hooked(follower) == 1


def test_a_failing_peer_backs_off(follower: Follower) -> None:
    """A peer that cannot be fetched is told in each pass, asked again when the plan says, or by hand."""
    ran = follower.world("run")
    assert ran.code == 1
    assert "cannot read" in ran.err
    due = follower.world.done("plan", "--json").document
    assert [(hold["kind"], hold["subject"]) for hold in due["holds"]] == [("write", "mx.peer.example")]
    assert due["next_pass_at"] == due["holds"][0]["until"]
    follower.publish()
    ran = follower.world("run")
    assert ran.code == 1
    assert not follower.map.exists()
    follower.world.done("peers", "sync")
    assert follower.pins() == [pin(1), pin(2)]
    follower.world.done("run")


def test_when_the_next_look_is_due(follower: Follower) -> None:
    """The daemon asks several times within the peer's hold-down: it is a week, so every six hours."""
    follower.publish()
    follower.world.done("run")
    due = follower.world.done("plan", "--json").document
    from certctl.planning.times import parse_rfc3339

    wait = (parse_rfc3339(due["next_pass_at"]) - parse_rfc3339(due["now"])).total_seconds()
    assert 6 * 3600 - 60 < wait <= 6 * 3600


def test_dry_run(follower: Follower) -> None:
    """Tells what would change and what would fail, and writes nothing at all."""
    follower.publish()
    follower.world.done("run")
    right = follower.publish(document(2, 2, 3))
    everything = {path: path.read_bytes() for path in follower.world.root.rglob("*") if path.is_file()}
    ran = follower.world.done("peers", "--dry-run")
    assert f"+{NEXTHOP} fingerprint match={pin(2)} match={pin(3)}" in ran.out
    [change] = follower.world.done("peers", "--dry-run", "--json").document["changes"]
    assert change["map"] == str(follower.map)
    follower.publish(document(1, 7, 8))
    assert follower.world("peers", "--dry-run").code == 1
    follower.publish(right)
    assert everything == {
        path: path.read_bytes() for path in follower.world.root.rglob("*") if path.is_file()
    }


def test_several_peers_share_a_map(follower: Follower) -> None:
    """Lines stand in the order of the configuration, one for each next-hop; each peer's feed is its own."""
    other = Signer()
    told = document(5, 21, 22)
    told["certificates"][0] |= {"names": ["b.example"], "nexthops": ["[b.example]", "[b.example]:587"]}
    (follower.world.root / "b.jws").write_bytes(other.sign(json.dumps(told).encode()))
    config = Path(follower.world.path)
    config.write_text(
        config.read_text() + f'\n[peer."b.example"]\nfeed = "b.jws"\nkey = "{other.text}"\n'
        'map = "tls_policy"\nnexthops = ["[b.example]:587", "[b.example]"]\n'
    )
    follower.publish()
    follower.world.done("run")
    lines = follower.map.read_text().splitlines()[1:-1]
    assert [line.split()[0] for line in lines] == [NEXTHOP, "[b.example]:587", "[b.example]"]
    assert [row["state"] for row in follower.world.done("peers", "--json").document["peers"]] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("nexthop", "names", "nexthops", "good"),
    [
        ("[mx.peer.example]:587", ["mx.peer.example"], [], True),
        ("[MX.peer.example]", ["mx.peer.example"], [], True),
        ("peer.example", ["mx.peer.example"], [], True),
        ("peer.example:smtp", ["mx.peer.example"], [], True),
        ("hosted.example", ["mx.peer.example"], ["hosted.example"], True),
        ("hosted.example", ["mx.peer.example"], [], False),
        ("[peer.example]", ["mx.peer.example"], [], False),
        ("r.example", ["mx.peer.example"], [], False),
        ("[192.0.2.25]:25", ["192.0.2.25"], [], True),
    ],
)
def test_next_hops_and_names(
    follower: Follower, nexthop: str, names: list[str], nexthops: list[str], good: bool
) -> None:
    """A feed is for a next-hop that it lists, whose host it names, or whose domain its names are below."""
    config = Path(follower.world.path)
    text = config.read_text().replace(
        'hooks = ["reload"]\n', f'hooks = ["reload"]\nnexthops = ["{nexthop}"]\n', 1
    )
    config.write_text(text)
    told = document()
    told["certificates"][0] |= {"names": names, "nexthops": nexthops}
    follower.publish(told)
    ran = follower.world("run")
    assert ran.code == (0 if good else 1), ran.err
    assert follower.map.exists() == good


def test_a_key_that_was_handed_over_stays(follower: Follower) -> None:
    """Once the peer's new key was taken, the old one counts no more, whoever has it now."""
    follower.publish(document(1))
    follower.world.done("run")
    new = Signer()
    follower.publish(document(2, 2, 3, 1, handovers=[follower.signer.hand_over(new)]), new)
    follower.world.done("run")
    assert follower.pins() == [pin(1), pin(2), pin(3)]
    # The way may be left out later on.
    follower.publish(document(3, 3, 4, 2), new)
    follower.world.done("run")
    follower.publish(document(4, 3, 9, 2))
    assert follower.refused("signed with another key")
    thief = Signer()
    follower.publish(document(4, 3, 9, 2, handovers=[follower.signer.hand_over(thief)]), thief)
    assert follower.refused("signed with another key")


def test_a_key_that_was_lost(follower: Follower) -> None:
    """A peer that began anew with another key is believed once that key is configured, at whatever serial."""
    follower.publish(document(1000))
    follower.world.done("run")
    new = Signer()
    follower.publish(document(1, 1, 3), new)
    assert follower.refused("ask for what `certctl announce --key` prints there")
    config = Path(follower.world.path)
    config.write_text(config.read_text().replace(follower.signer.text, new.text))
    follower.world.done("run")  # another key, so there is nothing to wait for
    assert follower.pins() == [pin(1), pin(3)]


@pytest.mark.parametrize("key", ["", "p256:", "p256:" + "A" * 86, "rsa:" + "A" * 86, "x" * 500])
def test_a_configured_key_that_is_none(follower: Follower, key: str) -> None:
    """A key that is mistyped fails for that peer alone, and says where the right one is to be had."""
    config = Path(follower.world.path)
    config.write_text(config.read_text().replace(follower.signer.text, key or " "))
    follower.publish()
    ran = follower.world("run")
    assert ran.code == 1
    assert "is none" in ran.err
    assert "announce --key" in ran.err


class _Server(threading.Thread):
    """Serves one key with STARTTLS, as a mail server would, to see what a peer really shows."""

    def __init__(self, directory: Path) -> None:
        super().__init__(daemon=True)
        import socket

        from tests.real.servers import pki

        identity = pki.make_identity(["127.0.0.1"])
        self.pin = pki.key_pin(identity.leaf)
        bundle = directory / "server.pem"
        bundle.write_bytes(identity.bundle_pem)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(bundle)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"220 mx ESMTP\r\n")
                try:
                    while line := connection.recv(1000):
                        if line.upper().startswith(b"EHLO"):
                            connection.sendall(b"250-mx\r\n250 STARTTLS\r\n")
                        elif line.upper().startswith(b"STARTTLS"):
                            connection.sendall(b"220 go\r\n")
                            with self.context.wrap_socket(connection, server_side=True) as tls:
                                tls.recv(100)
                            break
                except OSError:
                    continue


def test_what_is_served_decides(follower: Follower) -> None:
    """A feed that drops every known pin is believed only if the server shows one of the new ones."""
    server = _Server(follower.world.root)
    server.start()
    nexthop = f"[127.0.0.1]:{server.port}"
    config = Path(follower.world.path)
    config.write_text(
        config.read_text().replace(
            'hooks = ["reload"]\n', f'hooks = ["reload"]\nnexthops = ["{nexthop}"]\n', 1
        )
    )

    def told(serial: int, *pins: str) -> dict[str, object]:
        found = document(serial)
        found["certificates"][0] |= {"names": ["127.0.0.1"], "nexthops": []}
        for item, text in zip(found["certificates"][0]["pins"], pins, strict=True):
            item["sha256"] = text
        return found

    follower.publish(told(1, server.pin, pin(2)))
    follower.world.done("run")
    follower.publish(told(2, pin(7), pin(8)))
    ran = follower.world("peers")
    assert ran.code == 1
    assert "still shows an old one" in ran.err
    assert server.pin in follower.map.read_text()
    # The peer lost both its keys, and serves a third one that nobody was told of in time.
    follower.publish(told(3, pin(5), pin(6)))
    follower.world.done("peers", "--force")
    follower.publish(told(4, server.pin, pin(9)))
    follower.world.done("peers")
    assert server.pin in follower.map.read_text()
    server.socket.close()
