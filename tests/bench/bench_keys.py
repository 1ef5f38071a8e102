"""RSA keys: as many at a time as there are processors, against openssl processes one after the other."""

from __future__ import annotations

import os
import shutil

from tests.bench import home
from tests.bench.measure import Command, Contestant, Run, in_turn, run
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "keys"
WHAT = "certificates with RSA keys, which are made on all processors, against openssl genpkey in a loop"


def rows(setting: Setting) -> list[Row]:
    """Measure. Each certificate comes with two keys: one to serve, one to stand ready."""
    count, bits = setting.size((20, 2048), quick=(1, 2048))
    at = home.make(setting.directory("keys"), setting.installed(), count, more=f'keys = ["rsa-{bits}"]\n')
    field = [
        Contestant("certctl", lambda: at.do("-q", "run"), at.empty),
        _openssl(setting, 2 * count, bits),
    ]
    results = in_turn(field, setting.runs(7), warm=False)
    other = field[1].name
    note = "how long the search for a prime takes is a matter of luck: the ratio moves"
    return [
        compared(NAME, f"{2 * count} RSA-{bits} keys", results["certctl"], other, results[other], note=note)
    ]


def _openssl(setting: Setting, count: int, bits: int) -> Contestant:
    directory = setting.directory("genpkey")

    def prepare() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)

    def work() -> Run:
        total = Run(0.0, 0.0, 0.0)
        for number in range(count):
            kind = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
            took = run(Command(["openssl", "genpkey", *kind, "-out", f"{directory}/{number}.key"]))
            total = Run(total.wall + took.wall, total.cpu + took.cpu, max(total.peak, took.peak))
        return total

    return Contestant("openssl genpkey", work, prepare)
