"""The signed feed, read with cryptography alone: what it says, when it is issued anew, and its key."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from certctl.planning.times import parse_rfc3339
from tests.support.world import World
from tests.unit.peers_world import Signer

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org", "192.0.2.25"]
hold_down = "1h"
announce = ["partners"]
nexthops = ["[mx1.example.org]", "[mx1.example.org]:25"]
[certificate.web]
names = ["www.example.org"]
pin = "certificate"
announce = ["partners"]
[announce.partners]
type = "feed"
path = "tls/pins.jws"
validity = "30d"
{more}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    root = tmp_path / "world"
    root.mkdir()
    made = World(root, monkeypatch)
    made.configure(CONFIG.format(more=""))
    return made


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def key(world: World) -> str:
    """The feed's public key as it is told."""
    return world.done("announce", "--key").out.strip()


def verified(world: World, text: str | None = None) -> dict[str, Any]:
    """The feed's payload, its signature checked against the key that `announce --key` prints."""
    head, payload, signature = (world.tls / "pins.jws").read_text().strip().split(".")
    point = unb64((text or key(world)).removeprefix("p256:"))
    x, y = (int.from_bytes(part, "big") for part in (point[:32], point[32:]))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = unb64(signature)
    r, s = (int.from_bytes(part, "big") for part in (raw[:32], raw[32:]))
    public.verify(encode_dss_signature(r, s), f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
    header = json.loads(unb64(head))
    assert header["alg"] == "ES256"
    assert header["typ"] == "certctl-pins"
    told: dict[str, Any] = json.loads(unb64(payload))
    return told


def fingerprints(world: World, name: str, digest: str = "sha256") -> list[tuple[str, str]]:
    """Slot and fingerprint of everything that `certctl fingerprints` prints of a certificate."""
    found = world.done("fingerprints", name, "--digest", digest, "--json").document["fingerprints"]
    return [(row["slot"], row["fingerprint"]) for row in found]


def test_what_it_says(world: World) -> None:
    """Names, next-hops and the pins of every slot with their moments, the same as `certctl fingerprints`."""
    world.done("run")
    for slots in (["current", "next"], ["current", "next", "previous"]):
        told = verified(world)
        assert told["digests"] == ["sha256", "sha1", "md5"]
        mx1, web = told["certificates"]
        assert mx1["names"] == ["mx1.example.org", "192.0.2.25"]
        assert mx1["nexthops"] == ["[mx1.example.org]", "[mx1.example.org]:25"]
        assert mx1["hold_down"] == 3600
        assert [pin["slot"] for pin in mx1["pins"]] == slots
        for digest in told["digests"]:
            printed = fingerprints(world, "mx1", digest)
            assert [(pin["slot"], pin[digest]) for pin in mx1["pins"]] == printed
        status = world.status()["mx1"]
        for pin in mx1["pins"]:
            assert pin["made_at"] == status[pin["slot"]]["made_at"]
            assert pin["served_from"] == status[pin["slot"]]["promoted_at"]
        assert web["pin"] == "certificate"
        assert web["pins"][0]["sha256"] == world.status()["web"]["current"]["keys"][0]["certificate_sha256"]
        world.done("rotate", "mx1")
        world.later(hours=1)
        world.done("run")


def test_serials_rise(world: World) -> None:
    """Each issue has a higher serial, even if certctl forgot the last one, or the clock was set back."""
    world.done("run")
    serials = [verified(world)["serial"]]
    note = Path(world.layout.root) / "announce" / "partners" / "feed.json"
    for forget in (False, True, False):
        if forget:
            note.unlink()
        world.later(seconds=1)
        world.done("rotate", "--abort", "mx1")
        serials.append(verified(world)["serial"])
    world.later(days=-2)
    # Certificates that begin later than now are told besides, which is another matter.
    world("rotate", "--abort", "mx1")
    serials.append(verified(world)["serial"])
    assert serials == sorted(set(serials))


def test_issued_anew_before_it_ends(world: World) -> None:
    """At two thirds of its validity it is issued again, and the plan knows when."""
    world.done("run")
    first = verified(world)
    issued, ends = parse_rfc3339(first["issued_at"]), parse_rfc3339(first["expires_at"])
    assert (ends - issued).total_seconds() == 30 * 86400
    world.later(hours=1)
    due = parse_rfc3339(world.done("plan", "--json").document["next_pass_at"])
    assert (due - issued).total_seconds() == 20 * 86400
    world.later(days=19, hours=22)
    assert world.steps() == []
    world.later(hours=2)
    [step] = world.steps()
    assert (step["kind"], step["subject"]) == ("announce", "partners")
    assert step["reason"].startswith("the feed expires")
    world.done("run")
    second = verified(world)
    assert second["serial"] > first["serial"]
    assert second["certificates"] == first["certificates"]
    assert world.steps() == []


def test_another_validity_is_taken_at_once(world: World) -> None:
    """A shorter validity in the configuration reaches the feed with the next pass."""
    world.done("run")
    world.configure(CONFIG.format(more="").replace('validity = "30d"', 'validity = "1d"'))
    assert [step["subject"] for step in world.steps()] == ["partners"]
    world.done("run")
    told = verified(world)
    length = parse_rfc3339(told["expires_at"]) - parse_rfc3339(told["issued_at"])
    assert length.total_seconds() == 86400


def test_nothing_changes_without_need(world: World) -> None:
    """A pass with nothing to say leaves the feed's bytes alone."""
    world.done("run")
    before = (world.tls / "pins.jws").stat()
    world.later(hours=2)
    world.done("run")
    world.done("announce")
    after = (world.tls / "pins.jws").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("how", ["edited", "removed", "older"])
def test_touched_by_others(world: World, how: str) -> None:
    """A feed that is not what was issued last is issued anew, with a serial that nobody has seen."""
    world.done("run")
    path = world.tls / "pins.jws"
    older = path.read_bytes()
    world.later(seconds=2)
    world.done("rotate", "--abort", "mx1")
    serial = verified(world)["serial"]
    if how == "edited":
        path.write_bytes(path.read_bytes()[:-20] + b"\n")
    elif how == "older":
        path.write_bytes(older)
    else:
        path.unlink()
    assert [step["subject"] for step in world.steps()] == ["partners"]
    world.done("run")
    assert verified(world)["serial"] > serial


def test_the_key_is_private(world: World) -> None:
    """The key is made once, 0600 in a directory 0700, and its line is all there is on standard output."""
    text = key(world)
    world.done("run")
    assert key(world) == text
    home = Path(world.layout.root) / "announce" / "partners"
    assert stat.S_IMODE((home / "feed.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert verified(world, text)
    document = world.done("announce", "--key", "--json").document["keys"]
    assert [row["key"] for row in document] == [text]


def test_a_damaged_key_is_no_reason_for_another(world: World) -> None:
    """Peers know the key: if it cannot be read, that is told, and nothing is signed with a new one."""
    world.done("run")
    home = Path(world.layout.root) / "announce" / "partners"
    (home / "feed.key").write_text("garbage")
    ran = world("announce", "--key")
    assert ran.code == 1
    assert "feed.key is damaged" in ran.err
    assert "certctl announce --new-key partners" in ran.err
    before = (world.tls / "pins.jws").read_bytes()
    assert world("rotate", "--abort", "mx1").code == 1
    assert (world.tls / "pins.jws").read_bytes() == before
    assert world.status()["mx1"]["current"]["generation"] == 1


def test_a_lost_key_is_no_reason_for_another(world: World) -> None:
    """A key that is gone is told at once, and only replaced by who says so; rotations wait meanwhile."""
    old = key(world)
    world.done("run")
    home = Path(world.layout.root) / "announce" / "partners"
    saved = (home / "feed.key").read_bytes()
    (home / "feed.key").unlink()
    assert [step["subject"] for step in world.steps()] == ["partners"]
    for command in (("run",), ("announce", "--key")):
        ran = world(*command)
        assert ran.code == 1
        assert "feed.key is missing, and peers trust what it signed" in ran.err
        assert "certctl announce --new-key partners" in ran.err
    rows = world.done("status", "--json").document["announcers"]
    assert [row["state"] for row in rows if row["name"] == "partners"] == ["failing"]
    (home / "feed.key").write_bytes(saved)
    world.later(hours=2)
    world.done("run")
    assert key(world) == old
    assert world.steps() == []

    (home / "feed.key").unlink()
    new = world.done("announce", "--new-key", "partners").out.strip()
    assert new not in ("", old)
    assert verified(world, new)["handovers"] == []
    assert world.steps() == []


def test_handing_over_the_key(world: World, tmp_path: Path) -> None:
    """Whoever trusts an old key gets to the newest one by signatures alone; nobody else does."""
    first = key(world)
    world.done("run")
    texts = [first]
    for _ in range(3):
        world.later(seconds=1)
        texts.append(world.done("announce", "--new-key", "partners").out.strip())
        assert key(world) == texts[-1]
        verified(world, texts[-1])
    assert len(set(texts)) == 4
    feed = str(world.tls / "pins.jws")
    for text in (*texts, Signer().text):
        root = tmp_path / f"follower{len(list(tmp_path.iterdir()))}"
        root.mkdir()
        (root / "certctl.toml").write_text(
            f'state_dir = "state"\n[peer."mx1.example.org"]\nfeed = "{feed}"\nkey = "{text}"\nmap = "map"\n'
        )
        path, world.path = world.path, str(root / "certctl.toml")
        code = world("peers").code
        world.path = path
        assert code == (0 if text in texts else 1)


def test_only_a_feed_has_a_key(world: World) -> None:
    """Asking for the key of something else says so, and a new key needs the feed's name."""
    world.configure(CONFIG.format(more="").replace('"feed"', '"policy"').replace('validity = "30d"', ""))
    assert world("announce", "--key").code == 2
    world.configure(CONFIG.format(more=""))
    assert world("announce", "--new-key").code == 2
    assert world("announce", "--key", "partner").code == 2
