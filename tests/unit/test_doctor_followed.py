"""Pins of peers that Postfix does not go by: maps it does not use, and lines that come before certctl's."""

from __future__ import annotations

from pathlib import Path

import pytest

from certctl.app import diagnosing, peering
from certctl.doctor.followed import FollowedLine
from certctl.doctor.run import Target, doctor
from tests.support.world import World
from tests.unit.peers_world import NEXTHOP, Follower, document, pin
from tests.unit.x509_make import NOW

PINS = (pin(1), pin(2))
OWN = f"# certctl: begin\n{NEXTHOP} fingerprint match={pin(1)} match={pin(2)}\n# certctl: end\n"


def postfix(root: Path, **maps: str) -> Path:
    """A Postfix that uses these tables in this order; without any, it uses none."""
    (root / "main.cf").write_text(
        "smtp_tls_fingerprint_digest = sha256\nsmtp_tls_policy_maps ="
        + ",".join(f" texthash:{root}/{name}" for name in maps)
        + "\n"
    )
    for name, text in maps.items():
        (root / name).write_text(text)
    return root


def found(root: Path, lines: tuple[FollowedLine, ...] | None = None) -> dict[str, tuple[str, str]]:
    """What the doctor says of peers' lines: severity and fix by check."""
    lines = lines or (FollowedLine(str(root / "certctl_map"), "mx.peer.example", NEXTHOP, PINS),)
    findings = doctor([Target("postfix", str(root), False)], NOW, followed=lines)
    return {one.check: (one.severity, one.fix) for one in findings if "peer" in one.check}


def test_a_map_that_is_not_used(tmp_path: Path) -> None:
    """The finding says how the map is added to those that are there, not how these are replaced."""
    severity, fix = found(postfix(tmp_path, other="example.org may\n"))["postfix-peer-map-unused"]
    assert severity == "warning"
    maps = f"texthash:{tmp_path}/other, hash:{tmp_path}/certctl_map"
    assert f"postconf -c {tmp_path} -e 'smtp_tls_policy_maps = {maps}'" in fix


def test_all_as_it_should_be(tmp_path: Path) -> None:
    """A map that is used, and lines that come first, are no finding."""
    assert found(postfix(tmp_path, other="example.org may\n", certctl_map=OWN)) == {}
    assert found(postfix(tmp_path, certctl_map=OWN, other=f"{NEXTHOP} may\n")) == {}


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        (f"{NEXTHOP} fingerprint match={pin(1)}", "error"),
        (f"{NEXTHOP.upper()} fingerprint match={'AA:' * 15}AA", "error"),
        (f"{NEXTHOP} may", "error"),
        (f"{NEXTHOP} fingerprint match={pin(1)}|{pin(2)}", "warning"),
    ],
)
def test_an_older_line_comes_first(tmp_path: Path, line: str, severity: str) -> None:
    """A line by hand in an earlier table is named, with what it lacks and what to type."""
    [(check, (told, fix))] = found(postfix(tmp_path, old=f"# by hand\n{line}\n", certctl_map=OWN)).items()
    assert (check, told) == ("postfix-peer-line-first", severity)
    assert f"delete line 2 of {tmp_path}/old" in fix


def test_from_what_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command compares the lines that the feeds of the configured peers lead to."""
    root = tmp_path / "world"
    root.mkdir()
    follower = Follower(root, World(root, monkeypatch))
    follower.publish(document(1))
    follower.world.done("run")
    postfix(root, old=f"{NEXTHOP} may\n", tls_policy=follower.map.read_text())
    _, findings = diagnosing.diagnose(follower.world.spec, [("postfix", str(root))])
    assert [one.check for one in findings if "peer" in one.check] == ["postfix-peer-line-first"]


def test_told_when_a_peer_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be typed names what Postfix has already; nothing where it uses the map."""
    monkeypatch.setattr(peering, "POSTFIX", str(postfix(tmp_path, old="example.org may\n")))
    told = peering.unused(f"{tmp_path}/certctl_map")
    assert told is not None
    assert f"texthash:{tmp_path}/old, " in told
    assert f":{tmp_path}/certctl_map" in told
    postfix(tmp_path, old="", certctl_map="")
    assert peering.unused(f"{tmp_path}/certctl_map") is None
    monkeypatch.setattr(peering, "POSTFIX", str(tmp_path / "nowhere"))
    assert peering.unused(f"{tmp_path}/certctl_map") is None
