"""Start-up: what people and monitoring ask often, beside an interpreter that does nothing."""

from __future__ import annotations

from tests.bench import home
from tests.bench.measure import Command, Contestant, in_turn, run
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "startup"
WHAT = "status, plan, fingerprints (10 certificates) and --help in a pipe, against python -c pass"
TARGET = 5.0
COMMANDS = (["status"], ["plan"], ["fingerprints"], ["--help"])


def rows(setting: Setting) -> list[Row]:
    """Measure; the target is for processor time, as a wait for a processor is not ours."""
    installed = setting.installed()
    at = home.settled(setting.directory("startup"), installed, 10)
    nothing = Contestant("python -c pass", lambda: run(Command([installed.python, "-c", "pass"])))
    field = [nothing]
    for argv in COMMANDS:
        name = f"certctl {' '.join(argv)}"
        field.append(Contestant(name, lambda argv=argv: run(at.command(*argv))))  # type: ignore[misc]
    results = in_turn(field, setting.runs(40, quick=3))
    base = results[nothing.name]
    return [
        compared(NAME, one.name, results[one.name], nothing.name, base, target=TARGET, judged="cpu")
        for one in field[1:]
    ]
