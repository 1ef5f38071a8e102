"""Passes under a clock that is wrong: what cannot be taken back waits, the rest goes on, and heals after."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from certctl.system import clocks
from certctl.x509.certificate import CertificateFacts, certificate_facts
from certctl.x509.pem import certificates
from tests.support.world import World

COUNTED = "clock cases"

YEARS = timedelta(days=5 * 365)
SETTINGS = """
[certificate.a]
names = ["a.example.test"]
issuer = "{issuer}"
hold_down = "7d"
rotate_every = "100d"
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, monkeypatch)
    made.configure(SETTINGS.format(issuer="private-ca"))
    made.done("-q", "run")
    return made


def generation(world: World) -> int:
    found: int = world.status()["a"]["current"]["generation"]
    return found


def served(world: World) -> list[CertificateFacts]:
    """The chain that is served."""
    bundle = (world.root / "state/live/a/bundle.pem").read_bytes()
    return [certificate_facts(pem) for pem in certificates(bundle)]


def is_valid(world: World, *, at: datetime | None = None) -> bool:
    moment = at or world.now
    return all(one.not_before <= moment < one.not_after for one in served(world))


def authority(world: World) -> list[bytes]:
    return [
        (world.root / f"state/issuers/private-ca/{name}.pem").read_bytes()
        for name in ("root", "intermediate")
    ]


def holds(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.done("plan", "--json").document["holds"]
    return found


def test_five_years_ahead(world: World) -> None:
    """Nothing is promoted and no CA is renewed; the leaf is renewed, and valid by the right clock too."""
    ca, world.wrong = authority(world), YEARS - timedelta(days=30)
    ran = world("run")
    assert generation(world) == 1
    assert authority(world) == ca
    assert is_valid(world)
    assert is_valid(world, at=datetime.now(timezone.utc))
    assert holds(world)[0]["kind"] == "clock"
    assert "clock: the clock went from" in world.done("status").out
    assert ran.code == 1
    assert "rotate_every 100d, but the clock went from" in ran.err


def test_what_a_wrong_clock_issued_is_repaired(world: World) -> None:
    """With the clock right again, one pass brings a certificate of the usual length, and all is well."""
    world.wrong = YEARS - timedelta(days=30)
    world("run")
    world.wrong = timedelta()
    world.done("run")
    assert is_valid(world)
    assert served(world)[0].not_after < world.now + timedelta(days=91)
    assert world.steps() == []
    assert world.status()["a"]["state"] == "ok"
    assert [one for one in holds(world) if one["kind"] == "clock"] == []


def test_a_wish_is_held(world: World) -> None:
    """A rotation that is due is held by the doubt, told with what to type, exit 1; confirmed, it is done."""
    world.done("-q", "rotate", "a")
    world.later(days=1)
    world.wrong = timedelta(days=40)
    ran = world("-q", "run")
    assert ran.code == 1
    assert "certctl run --accept-clock" in ran.err
    assert generation(world) == 1
    assert world.status()["a"]["state"] == "held"
    world.done("run", "--accept-clock")
    assert generation(world) == 2
    assert "clock-accepted" in (world.root / "state/journal.jsonl").read_text()


def test_force_goes_on(world: World) -> None:
    """What a person forces is done whatever the clock says."""
    world.wrong = timedelta(days=40)
    world("rotate", "--force", "a")
    assert generation(world) == 2


def test_time_that_passed_is_no_jump(world: World) -> None:
    """A host on which no pass ran for months holds nothing, as long as its kernel ran on."""
    world.later(days=101)
    world.done("run")
    assert generation(world) == 2


def test_over_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A synchronized clock is believed an hour after it was found to have jumped, and the plan says when."""
    monkeypatch.setattr(clocks, "synchronized", lambda: True)
    world.wrong = timedelta(days=101)
    world.done("run")
    assert generation(world) == 1
    until = holds(world)[0]["until"]
    assert until is not None
    world.later(hours=1, minutes=1)
    world.done("run")
    assert holds(world)[0]["kind"] == "promote", "101 days that only the clock tells are no hold-down"
    world.later(days=7)
    world.done("run")
    assert generation(world) == 2


@pytest.mark.parametrize("issuer", ["private-ca", "self-signed"])
@pytest.mark.parametrize("back", [timedelta(days=30), YEARS])
def test_set_back(issuer: str, back: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is behind gives no reason to replace what a right clock finds valid."""
    world = World(tmp_path, monkeypatch)
    world.configure(SETTINGS.format(issuer=issuer))
    world.done("-q", "run")
    before = served(world)
    world.wrong = -back
    ran = world("run")
    assert served(world) == before
    assert "not valid before" in str(world.status()["a"]["last_error"])
    assert ran.code == 1
    assert "is the clock right?" in ran.err
    world.wrong = timedelta()
    world.done("run")
    assert served(world) == before


def test_first_pass_under_a_wrong_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA and a leaf that were made five years ahead are made anew once the right time is confirmed."""
    world = World(tmp_path, monkeypatch)
    world.configure(SETTINGS.format(issuer="private-ca"))
    world.wrong = YEARS
    world.done("-q", "run")
    world.wrong = timedelta()
    assert world("run").code == 1
    assert not is_valid(world)
    assert world("renew", "a").code == 1, "internal errors apart"
    world.done("run", "--accept-clock")
    assert is_valid(world)
    assert world.status()["a"]["state"] == "ok"
    world.done("renew", "a")
    world.later(days=8)
    world.done("rotate", "a")
    assert generation(world) == 2, "the hold-down began anew, and ended"


def test_back_off_of_a_wrong_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A back-off that a clock ahead has written is over as soon as the clock is right."""
    world = World(tmp_path, monkeypatch)
    world.configure(
        SETTINGS.format(issuer="vault") + '[issuer.vault]\ntype = "command"\ncommand = ["/bin/false"]\n'
    )
    world("-q", "run")
    world.wrong = timedelta(days=29)
    world("-q", "run")
    world.wrong = timedelta()
    assert "issue" in [step["kind"] for step in world.steps()]
    state = json.loads((world.root / "state/state/a.json").read_text())
    assert state["failures"][0]["attempts"] == 2
    world("-q", "run")
    state = json.loads((world.root / "state/state/a.json").read_text())
    assert state["failures"][0]["attempts"] == 3


def test_the_mark_costs_nothing_at_rest(world: World) -> None:
    """A pass that meets nothing to do writes no mark, but about once a day."""
    mark = world.root / "state/clock.json"
    world.done("run")
    before = mark.stat().st_ino
    world.later(hours=11)
    world.done("run")
    assert mark.stat().st_ino == before
    world.later(hours=2)
    world.done("run")
    assert mark.stat().st_ino != before


def test_unreadable_mark(world: World) -> None:
    """Where it is not known when certctl ran last, that is told, and nothing irrevocable is done."""
    mark = world.root / "state/clock.json"
    mark.unlink()
    mark.mkdir()
    ran = world("-q", "rotate", "a")
    assert (ran.code, f"cannot read {mark}" in ran.err) == (1, True)
    world.later(days=8)
    assert world("-q", "run").code == 1
    assert generation(world) == 1


def test_openssl_agrees(world: World) -> None:
    """The chain that was made under a wrong clock verifies by the right one."""
    world.wrong = YEARS - timedelta(days=30)
    world("run")
    state = world.root / "state"
    command = ["openssl", "verify", "-x509_strict", "-CAfile", "issuers/private-ca/root.pem"]
    command += ["-untrusted", "live/a/chain.pem", "live/a/cert.pem"]
    ended = subprocess.run(command, cwd=state, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr + ended.stdout
