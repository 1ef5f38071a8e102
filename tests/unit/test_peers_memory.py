"""What is remembered of a peer and is lost: its lines stay, its serial is never forgotten silently."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from certctl.errors import UnreadableError
from certctl.system import files
from tests.support.world import World
from tests.unit.peers_world import CONFIG, NEXTHOP, Follower, Signer, document, pin

DAMAGE = ["", "{", "[]", '{"version": 1}', "cut", "gone"]


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    """A host that has taken pins 1 and 2 from a feed with serial 10."""
    root = tmp_path / "world"
    root.mkdir()
    found = Follower(root, World(root, monkeypatch))
    found.publish(document(10))
    found.world.done("peers")
    return found


def memory(follower: Follower) -> Path:
    return Path(follower.world.layout.root) / "peers" / "mx.peer.example.json"


def damage(follower: Follower, how: str) -> None:
    if how == "gone":
        memory(follower).unlink()
    else:
        memory(follower).write_text(memory(follower).read_text()[:-20] if how == "cut" else how)


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("command", ["run", "peers"])
def test_the_lines_stay(follower: Follower, how: str, command: str) -> None:
    """Every pass fails and says what to type, the map keeps its pins, whatever the feed says now."""
    damage(follower, how)
    before = follower.map.read_bytes()
    for serial in (10, 3, 11):
        follower.publish(document(serial, 7, 8))
        ran = follower.world(command)
        assert ran.code == 1, ran
        assert "certctl peers sync --accept-serial mx.peer.example" in ran.err
        assert follower.map.read_bytes() == before
        follower.world.later(hours=2)
    [row] = follower.world.done("status", "--json").document["peers"]
    assert row["state"] == "failing"
    assert "its pins stay as they were" in row["last_error"]


@pytest.mark.parametrize("how", DAMAGE)
def test_believed_anew_once_a_person_says_so(follower: Follower, how: str) -> None:
    """--accept-serial takes the feed that is served now; from then on older ones are refused again."""
    damage(follower, how)
    follower.publish(document(12, 2, 3))
    follower.world.done("peers", "sync", "--accept-serial", "mx.peer.example")
    assert follower.pins() == [pin(2), pin(3)]
    follower.publish(document(11, 1, 2))
    assert follower.refused("serial 11, but 12 was seen already")


def test_brought_back(follower: Follower) -> None:
    """With the file from a backup all goes on as before."""
    saved = memory(follower).read_bytes()
    damage(follower, "{")
    assert follower.world("run").code == 1
    memory(follower).write_bytes(saved)
    follower.publish(document(9))
    assert follower.refused("serial 9, but 10 was seen already")
    follower.publish(document(11, 2, 3))
    follower.world.done("peers")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE, errno.EMFILE])
def test_unreadable(follower: Follower, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read just now is not lost: nothing changes, nothing can be confirmed, and it passes."""
    saved, before, real = memory(follower).read_bytes(), follower.map.read_bytes(), os.open

    def fails(path: str, *rest: int, **more: int) -> int:
        if str(path) == str(memory(follower)):
            raise OSError(number, os.strerror(number))
        return real(path, *rest, **more)

    follower.publish(document(11, 7, 8))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fails)
        with pytest.raises(UnreadableError):
            files.read_file(str(memory(follower)))
        for command in (("run",), ("peers", "--accept-serial")):
            ran = follower.world(*command)
            assert ran.code == 1
            assert errno.errorcode[number] in ran.err
    assert memory(follower).read_bytes() == saved
    assert follower.map.read_bytes() == before
    follower.publish(document(11, 1, 3))
    follower.world.done("run")
    assert follower.pins() == [pin(1), pin(3)]


def test_an_unreadable_map_is_not_written(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that cannot be read may hold the lines of others: it is left alone, and told."""
    before, real = follower.map.read_bytes(), os.open

    def fails(path: str, *rest: int, **more: int) -> int:
        if str(path) == str(follower.map):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *rest, **more)

    follower.publish(document(11, 1, 3))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fails)
        ran = follower.world("run")
    assert ran.code == 1
    assert "EIO" in ran.err
    assert follower.map.read_bytes() == before


def test_the_others_go_on(follower: Follower) -> None:
    """One peer whose memory is gone keeps its lines; those of the others follow their feeds."""
    other = Signer()
    feed = follower.world.root / "other.jws"
    text = CONFIG.format(key=follower.signer.text) + CONFIG.format(key=other.text).replace(
        "mx.peer.example", "mx.other.example"
    ).replace("feed.jws", "other.jws")
    follower.world.configure(text)

    def tell(serial: int, *pins: int) -> None:
        told = document(serial, *pins)
        told["certificates"][0] |= {"names": ["mx.other.example"], "nexthops": ["[mx.other.example]"]}
        feed.write_bytes(other.sign(json.dumps(told).encode()))

    tell(1, 4, 5)
    follower.world.done("run")
    damage(follower, "{")
    tell(2, 5, 6)
    assert follower.world("run").code == 1
    lines = follower.map.read_text()
    assert f"{NEXTHOP} fingerprint match={pin(1)} match={pin(2)}\n" in lines
    assert f"[mx.other.example] fingerprint match={pin(5)} match={pin(6)}\n" in lines


def test_the_whole_state_is_gone(follower: Follower) -> None:
    """Without the state directory the map is all there is: it keeps its pins until a person says so."""
    shutil.rmtree(follower.world.layout.root)
    follower.publish(document(3, 7, 8))
    before = follower.map.read_bytes()
    assert follower.world("run").code == 1
    assert follower.map.read_bytes() == before


def test_a_new_peer_needs_nobody(follower: Follower, tmp_path: Path) -> None:
    """A peer of which the map says nothing is new: it is followed without a question."""
    memory(follower).unlink()
    follower.map.unlink()
    follower.world.done("run")
    assert follower.pins() == [pin(1), pin(2)]
