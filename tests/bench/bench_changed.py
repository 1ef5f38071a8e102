"""A thousand changed certificates in one pass: time against the disk, barriers counted, one hook run."""

from __future__ import annotations

import os
import shutil

from tests.bench import barriers, floors, home
from tests.bench.measure import Contestant, Run, in_turn
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "changed"
WHAT = "1,000 changed certificates written and hooked in one pass: time, fsyncs by strace, hook runs"
PER_CERTIFICATE = 5
"""Barriers that a renewal with one output may take."""
PUT = 10
"""Files that a renewal puts in place: seven of its issuance, state, live/NAME, the configured file."""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    count = setting.size(1000, quick=20)
    at = home.settled(setting.directory("changed"), setting.installed(), count)
    return [*_lost(setting, at, count), *_renewed(setting, at, count), *_one(setting)]


def _lost(setting: Setting, at: home.Home, count: int) -> list[Row]:
    """Configured files that are gone are written again."""

    names = at.names()

    def lose_all() -> None:
        for name in names:
            os.unlink(f"{at.root}/out/{name}.pem")

    disk = floors.durable(setting, count)
    before = at.hook_runs()
    runs = setting.runs(5)
    results = in_turn([Contestant("certctl", lambda: at.do("-q", "run"), lose_all), disk], runs, warm=False)
    hooks = (at.hook_runs() - before) / runs
    lose_all()
    counted = barriers.count(setting, at.command("-q", "run"))
    case = f"{count} files written"
    return [
        compared(NAME, case, results["certctl"], disk.name, results[disk.name], target=1.0),
        Row(NAME, f"{case}: fsync + syncfs", counted, "", 1, note=barriers.NOTE),
        Row(NAME, f"{case}: hook runs", hooks, "", runs, target=1),
    ]


def _renewed(setting: Setting, at: home.Home, count: int) -> list[Row]:
    """Everything is issued anew for the same keys, written, hooked."""
    saved = f"{at.root}.saved"
    shutil.copytree(at.root, saved, symlinks=True)

    def restore() -> None:
        shutil.rmtree(at.root)
        shutil.copytree(saved, at.root, symlinks=True)

    def renew() -> Run:
        return at.do("-q", "renew", *names)

    names = at.names()
    disk = floors.durable(setting, PUT * count)
    results = in_turn([Contestant("certctl", renew, restore), disk], setting.runs(3), warm=False)
    restore()
    counted = barriers.count(setting, at.command("-q", "renew", *names))
    case = f"{count} renewed"
    return [
        compared(NAME, case, results["certctl"], disk.name, results[disk.name], target=1.0),
        Row(NAME, f"{case}: fsync + syncfs, each", counted / count, "", 1, target=PER_CERTIFICATE),
    ]


def _one(setting: Setting) -> list[Row]:
    """A single certificate that falls due, with one file and one hook."""
    at = home.settled(setting.directory("one"), setting.installed(), 1)
    with open(f"{at.root}/certctl.toml", encoding="ascii") as file:
        text = file.read()
    with open(f"{at.root}/certctl.toml", "w", encoding="ascii") as file:
        # Now more than half of its life is over: it is due by itself, nobody asked.
        file.write(text.replace("\nissuer = ", '\nvalidity = "91d"\nrenew_before = "90d"\nissuer = '))
    counted = barriers.count(setting, at.command("-q", "run"))
    note = f"a single renewal: {PER_CERTIFICATE} for the certificate, 2 for what is kept of the hook run"
    case = "1 renewed, 1 file, 1 hook: fsync + syncfs"
    return [Row(NAME, case, counted, "", 1, target=PER_CERTIFICATE + 2, note=note)]
