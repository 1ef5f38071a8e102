"""State that was cut, emptied or edited: never a traceback, never a key lost, and a way out of it."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fault.state_world import CONFIG, UNSERVED, looked, sound
from tests.support import damage, evidence, invariants
from tests.support.damage import Edit
from tests.support.world import Snapshot, World


@pytest.fixture
def begin(world: World) -> Snapshot:
    """A world in which every slot is taken: mx1 was rotated twice."""
    world.configure(CONFIG)
    world.done("run")
    for _ in range(2):
        world.done("rotate", "mx1")
    world.done("renew", "mx1")
    assert invariants.numbers(world.status()["mx1"]) == (3, 4, 2)
    return world.save()


def survived(world: World, *, heals: bool = True) -> None:
    """After damage: looking works, no pass loses a key, what is served stays whole, two passes settle it."""
    before = evidence.private_keys(world.layout.root)
    looked(world)
    assert evidence.private_keys(world.layout.root) == before
    first = sound(world("run"))
    invariants.check_served(world, never=UNSERVED)
    world.later(hours=2)
    second = sound(world("run"))
    if not heals:  # where it does, plan and status are looked at below
        looked(world)
    invariants.check_served(world, never=UNSERVED)
    after = evidence.private_keys(world.layout.root)
    lost = {pin: paths for pin, paths in before.items() if pin not in after}
    assert not lost, f"lost {lost}: {first.err} {second.err}"
    if heals:
        assert second.code == 0, (first, second)
        assert world.steps() == []
        for row in world.status().values():
            for slot in ("current", "next", "previous"):
                for key in row[slot]["keys"] if row[slot] else ():
                    assert key["key_sha256"].replace(":", "").lower() in after, f"{slot} has no key"


# Files that can be rebuilt or thrown away, whatever they hold.
REBUILT = (
    "state/state/mx1.json",
    "state/state/mx2.json",
    "state/hooks.json",
    "state/dhparams.json",
    "state/stamps.json",
    "state/journal.jsonl",
    "state/dhparam/dh.pem",
    "state/certificates/mx1/3/issued-2/request.json",
    "state/certificates/mx1/3/issued-2/bundle.pem",
    "state/certificates/mx1/3/issued-2/key.pem",
    "state/certificates/mx1/3/issued-2/cert.pem",
    "state/certificates/mx1/3/issued-2/fullchain.pem",
    "state/certificates/mx1/3/ecdsa-p256.key",
    "state/certificates/mx1/4/ecdsa-p256.key",
    "state/certificates/mx2/1/issued-1/ed25519/fullchain.pem",
    "state/certificates/mx3/1/order/ecdsa-p256.csr",
)


@pytest.mark.parametrize("name", REBUILT)
def test_garbage(begin: Snapshot, name: str) -> None:
    """Whatever a file of state holds, certctl goes on, and two passes bring all of it in order."""
    world = begin.world
    for garbage in damage.GARBAGE:
        begin.restore()
        (world.root / name).write_bytes(garbage)
        try:
            survived(world)
        except Exception as error:
            raise AssertionError(f"{name} = {garbage[:60]!r}: {error}") from error


@pytest.mark.parametrize("name", REBUILT)
def test_cut(begin: Snapshot, name: str) -> None:
    """A file of state that ends early is as good as one that is damaged otherwise."""
    world = begin.world
    size = (world.root / name).stat().st_size
    for length in sorted({1, size // 3, size // 2, size - 2, size - 1}):
        begin.restore()
        os.truncate(world.root / name, length)
        try:
            survived(world)
        except Exception as error:
            raise AssertionError(f"{name} cut to {length}: {error}") from error


@pytest.mark.parametrize("name", REBUILT)
def test_gone(begin: Snapshot, name: str) -> None:
    """A file of state that is gone comes back, or is not needed."""
    begin.restore()
    (begin.world.root / name).unlink()
    survived(begin.world)


@pytest.mark.parametrize("name", REBUILT[:6])
def test_directory_instead(begin: Snapshot, name: str) -> None:
    """Where a file of state should be there is a directory: told by name, and the way out is to move it."""
    begin.restore()
    world = begin.world
    path = world.root / name
    path.rename(path.with_name("aside"))
    path.mkdir(mode=0o700)
    (world.tls / "mx1.pem").unlink()
    looked(world)
    ran = sound(world("run"))
    assert ran.code == 1
    assert str(path) in ran.err
    path.rmdir()
    path.with_name("aside").rename(path)
    world.later(hours=2)
    world.done("run")
    assert world.steps() == []


EDITS = st.lists(
    st.builds(
        Edit,
        st.sampled_from(["replace", "replace", "delete", "swap", "copy"]),
        st.integers(0, 500),
        st.integers(0, 500),
        st.sampled_from(damage.VALUES),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("name", [*REBUILT[:5], "state/certificates/mx1/3/issued-2/request.json"])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(edits=EDITS)
def test_edited(begin: Snapshot, name: str, edits: list[Edit]) -> None:
    """JSON of the right form with wrong things in it is noticed, or harmless."""
    begin.restore()
    world = begin.world
    damage.rewrite(world.root / name, lambda document: damage.edited(document, edits))
    survived(world, heals=False)
