"""SIGKILL at every durable operation: what is served stays whole, and one more pass converges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import crash, invariants
from tests.support.reached import Reached, issued
from tests.support.scenarios import CUT, SCENARIOS, Scenario
from tests.support.world import Snapshot, World


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_crash(world: World, scenario: Scenario, dh_found: None, counted: Callable[[str, int], None]) -> None:
    """Killed before any durable operation, certctl serves whole pairs, and the next pass converges."""
    command = scenario.begin(world)
    begin = world.save()
    begin.restore()
    before = Reached.look(world)
    ended = crash.operations(world, *command)
    wanted = Reached.look(world, invariants.check_settled(world))
    number, through = 1, False
    while _killed(begin, number, command):
        at = ended[number - 1] if number <= len(ended) else "one more"
        try:
            through = _next_pass(world, scenario, command, before, wanted, through)
        except (AssertionError, OSError, ValueError) as error:
            raise AssertionError(f"killed before operation {number}, {at}: {error}") from error
        number += 1
    counted("crash points", number - 1)


def _killed(begin: Snapshot, number: int, command: tuple[str, ...]) -> bool:
    """Kill the command before operation *number*; False if it has fewer."""
    begin.restore()
    return crash.killed(begin.world, number, *command)


def _next_pass(
    world: World,
    scenario: Scenario,
    command: tuple[str, ...],
    before: Reached,
    wanted: Reached,
    through: bool,
) -> bool:
    """Check what a crash left, let one pass make it good, and check that.

    *through*: whether the command got through in spite of an earlier crash: then it
    does so after every later one. Returns that.
    """
    left = issued(world)
    invariants.check_always(world, first=scenario.incomplete, damaged=CUT)
    world.done("run")
    if scenario.by_hand and Reached.look(world) == before:
        world.done(*command)
        through = True
    reached = Reached.look(world, invariants.check_settled(world))
    through = through or reached == wanted
    assert reached == (wanted if through else before)
    # What had been issued is used: nothing is ordered twice.
    now = issued(world)
    assert all(now[path] == left[path] for path in left.keys() & now.keys())
    return through
