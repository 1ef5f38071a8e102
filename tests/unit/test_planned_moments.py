"""The moment of the next pass: when it comes, there is something to do, and nothing was due before it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from certctl.planning.times import parse_rfc3339
from tests.support.world import World

WHERE = """
[certificate.a]
names = ["a.example.test"]
issuer = "private-ca"
"""


@pytest.mark.parametrize(
    "settings",
    [
        'pin = "key"\nrotate_every = "100d"\nhold_down = "7d"',
        'pin = "certificate"\nhold_down = "0s"',
        'pin = "certificate"\nhold_down = "7d"\nrotate_every = "never"',
        'pin = "certificate"\nhold_down = "7d"\nrotate_every = "58d"',
        'pin = "certificate"\nhold_down = "7d"\nrotate_every = "62d"',
        'pin = "certificate"\nhold_down = "1h"\nvalidity = "6d"',
        'pin = "certificate"\nhold_down = "29d"',
    ],
)
def test_there_is_work_at_the_planned_moment(
    settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is pinned, and however renewals and rotations meet: no pass is planned for nothing."""
    world = World(tmp_path, monkeypatch)
    world.configure(WHERE + settings)
    world.done("-q", "run")
    for _ in range(6):
        due = parse_rfc3339(world.done("plan", "--json").document["next_pass_at"])
        world.offset += due - world.now - timedelta(minutes=10)
        assert world.steps() == []
        world.offset += due - world.now + timedelta(milliseconds=1)
        assert world.steps() != [], due
        world.done("-q", "run")


def test_an_old_successor_is_renewed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that waits for a peer's word is issued anew before it is too old, and that is planned.

    So is the moment at which the one that is served has expired, since that is to be told.
    """
    world = World(tmp_path, monkeypatch)
    world.configure(f'{WHERE}pin = "certificate"\nhold_down = "1h"\nrequire_ack = ["thumb"]')
    world.done("-q", "run")
    began = world.now
    world.later(days=60)
    world.done("-q", "run")
    world.later(hours=2)
    assert world.done("-q", "run").err == ""
    waits = "but waits for the acknowledgement of thumb (certctl ack a PEER)"
    for days, kinds, why in ((30, [], waits), (60, ["issue"], "but the next certificate was announced")):
        due = parse_rfc3339(world.done("plan", "--json").document["next_pass_at"])
        assert due - began > timedelta(days=60 + days - 1)
        world.offset += due - world.now + timedelta(milliseconds=1)
        assert [step["kind"] for step in world.steps()] == kinds
        ran = world("-q", "run")
        assert ran.code == 1
        assert "a: the certificate that is served expired" in ran.err
        assert why in ran.err
    world.later(hours=2)
    world.done("-q", "ack", "a", "thumb")
    assert world.done("-q", "run").err == ""
    assert world.status()["a"]["state"] == "ok"
