"""A full disk, a broken one, one that may not be written: told, survived, and made good by the next pass."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import crash, invariants, scenarios
from tests.support.crash import Operation
from tests.support.reached import Reached
from tests.support.scenarios import CUT, SCENARIOS, Scenario
from tests.support.world import Ran, World


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_fault(world: World, scenario: Scenario, dh_found: None, counted: Callable[[str, int], None]) -> None:
    """One durable operation fails: exit 1, the file is named, the rest is done, the next pass heals."""
    command = scenario.begin(world)
    begin = world.save()
    before = Reached.look(world)
    begin.restore()
    crash.operations(world, *command)
    wanted = Reached.look(world)
    number = 0
    while True:
        number += 1
        begin.restore()
        code = crash.ERRORS[number % len(crash.ERRORS)]
        ran, failed = crash.failing(world, number, code, *command)
        if not failed:
            break
        try:
            if not invariants.was_note_of_a_hook(world, ran, failed[0].path):
                _check_told(ran, failed[0], os.strerror(code).lower())
            invariants.check_always(world, first=scenario.incomplete, damaged=CUT)
            assert _healed(world, scenario, command, before) in (wanted, before)
        except (AssertionError, OSError, ValueError) as error:
            raise AssertionError(f"operation {number}, {failed[0]}: {ran}: {error}") from error
    counted("faults", number - 1)


def _check_told(ran: Ran, failed: Operation, why: str) -> None:
    """Exit 1, and one line that names the file that failed, or the tree that it belongs to.

    Where another issuer took over, that is a warning.
    """
    for word in ("Traceback", "internal error"):
        assert word not in ran.err
    told = [line for line in ran.err.splitlines() if why in line and _names(line, failed.path)]
    starts = ("certctl: error: ", "certctl: warning: ") if ran.code == 0 else ("certctl: error: ",)
    assert [line for line in told if line.startswith(starts)], f"{failed}: {ran}"
    assert ran.code == (0 if any("asking the next issuer" in line for line in told) else 1)


def _names(line: str, path: str) -> bool:
    """Whether an error tells of *path*, of the directory it is in, or of one that it is to be in."""
    final = path.replace("/.", "/").replace(invariants.TEMPORARY, "")
    return any(str(place) in line for place in [Path(final), *Path(final).parents][:3])


def _healed(world: World, scenario: Scenario, command: tuple[str, ...], before: Reached) -> Reached:
    """Let one pass make it good, and check that; where it got to."""
    world.later(hours=2)
    world.done("run")
    if scenario.by_hand and Reached.look(world) == before:
        world.done(*command)
    return Reached.look(world, invariants.check_settled(world))


@pytest.mark.parametrize("name", ["bootstrap of several", "drift"], ids=lambda name: name.replace(" ", "-"))
def test_others_go_on(world: World, name: str, counted: Callable[[str, int], None]) -> None:
    """Whatever fails for one certificate, the others are done in the same pass, and their hooks run."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    command = scenario.begin(world)
    begin = world.save()
    number, checked = 0, 0
    while True:
        number += 1
        begin.restore()
        ran, failed = crash.failing(world, number, errno.EIO, *command)
        if not failed:
            break
        path = failed[0].path
        if not path.startswith((str(world.tls), f"{world.layout.root}/")) or _is_for_all(path, world):
            continue
        checked += 1
        for other, row in world.status().items():
            if other not in path:
                problems = [file for file in row["files"] if file["problem"]]
                assert row["current"] and not problems, f"{other} after {failed[0]}: {problems} {ran.err}"
    counted("faults", checked)


# What is broken in the configuration of mx1 alone, and what is said of it.
BROKEN = {
    "a directory that is missing": (('"tls/mx1.pem"', '"nowhere/mx1.pem"'), "nowhere does not exist"),
    "a directory that anybody may write": (('"tls/mx1.pem"', '"open/mx1.pem"'), "anybody may write"),
    "an owner that there is not": (
        ('path = "tls/mx1.pem"', 'path = "tls/mx1.pem"\nowner = "no-such-user"'),
        "there is no such user",
    ),
    "an issuer that fails": (
        ('type = "private-ca"', 'type = "command"\ncommand = ["false"]'),
        "/false ended with status 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN, ids=lambda name: name.replace(" ", "-"))
def test_one_is_broken(world: World, name: str) -> None:
    """Whatever is wrong with one certificate is told, and the others are served, with their hooks run."""
    (old, new), said = BROKEN[name]
    (world.root / "open").mkdir()
    (world.root / "open").chmod(0o777)
    world.configure(scenarios.SEVERAL.replace(old, new))
    ran = world("run")
    assert ran.code == 1
    assert [
        line for line in ran.err.splitlines() if line.startswith("certctl: error: mx1: ") and said in line
    ]
    rows = world.status()
    assert invariants.numbers(rows["mx2"]) == invariants.numbers(rows["mx3"]) == (1, 2, None)
    assert f"{world.tls}/mx2.pem" in (world.root / "reload.log").read_text()
    world.configure(scenarios.SEVERAL)
    world.later(hours=2)
    world.done("run")
    invariants.check_settled(world)


def test_a_hook_fails(world: World) -> None:
    """One hook that fails keeps neither the other hooks nor anything else of the pass from being done."""
    text = scenarios.SEVERAL.replace(
        '[hook.postfix]\ncommand = ["bin/reload"]', '[hook.postfix]\ncommand = ["false"]'
    )
    assert text != scenarios.SEVERAL
    world.configure(text)
    ran = world("run")
    assert ran.code == 1
    assert "certctl: error: postfix: hook postfix failed with exit status 1" in ran.err
    assert f"{world.tls}/mx1.pem" in (world.root / "reload.log").read_text()
    assert [invariants.numbers(row) for row in world.status().values()] == [(1, 2, None)] * 3
    world.configure(scenarios.SEVERAL)
    world.done("run")
    invariants.check_settled(world)


def test_forgetting_a_hook_fails(world: World) -> None:
    """Where it cannot be kept that a hook has to run again, only the files that need it are left alone."""
    world.configure(scenarios.SEVERAL)
    world.done("run")
    (world.tls / "mx1.pem").unlink()
    world.configure(scenarios.SEVERAL.replace('["mx2.example.org"]', '["mx2.example.org", "mx.example.org"]'))
    operations = crash.operations(world, "plan")
    assert operations == []

    def at(number: int, name: str, path: str) -> None:
        if name == "create" and path == world.layout.hooks:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with crash.watching(at):
        ran = world("run")
    assert ran.code == 1
    assert f"cannot write {world.layout.hooks}: no space left on device" in ran.err
    assert not (world.tls / "mx1.pem").exists()
    assert [file for file in world.status()["mx2"]["files"] if file["problem"]] == []
    world.done("run")
    invariants.check_settled(world)


FULL = ("bootstrap with a private CA", "renewal when it is due", "rotation", "rollback", "drift")


@pytest.mark.parametrize("name", FULL, ids=lambda name: name.replace(" ", "-"))
def test_disk_stays_full(world: World, name: str, counted: Callable[[str, int], None]) -> None:
    """From any operation on the disk is full: exit 1, what was served stays; with room it heals."""
    scenario = next(scenario for scenario in SCENARIOS if scenario.name == name)
    command = scenario.begin(world)
    begin = world.save()
    number = 0
    while True:
        number += 1
        begin.restore()
        ran, failed = crash.failing(world, number, errno.ENOSPC, *command, last=100_000)
        if not failed:
            break
        _check_told(ran, failed[0], "no space left on device")
        invariants.check_always(world, first=scenario.incomplete)
        world.later(hours=2)
        world.done("run")
        invariants.check_settled(world)
    counted("faults", number - 1)


def _is_for_all(path: str, world: World) -> bool:
    """Whether a file or directory belongs to no certificate in particular."""
    return not any(name in path for name in world.spec.certificates)
