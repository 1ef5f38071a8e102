"""Certificates without a network: many at once, self-signed and of the private CA."""

from __future__ import annotations

import os
import shutil

from tests.bench import floors, home
from tests.bench.measure import Command, Contestant, Run, in_turn, run
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "local"
WHAT = "1,000 self-signed and private-CA certificates at once, against openssl processes and against the disk"
PUT = 11
"""Files that a new certificate comes with: key, seven of its issuance, state, live/NAME, the configured file."""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    count = setting.size(1000, quick=20)
    found = []
    for issuer in ("self-signed", "private-ca"):
        at = home.make(setting.directory(issuer), setting.installed(), count, issuer=issuer)
        ours = Contestant("certctl", lambda at=at: at.do("-q", "run"), at.empty)  # type: ignore[misc]
        disk = floors.durable(setting, PUT * count)
        field = [ours, disk] if issuer == "private-ca" else [ours, disk, _openssl(setting, count)]
        results = in_turn(field, setting.runs(3), warm=False)
        for one in field[1:]:
            case = f"{count} {issuer}"
            found.append(compared(NAME, case, results["certctl"], one.name, results[one.name]))
    return found


def _openssl(setting: Setting, count: int) -> Contestant:
    """One process for each key and certificate; few are measured, and counted as many."""
    sample = min(count, setting.size(50, quick=3))
    directory = setting.directory("openssl")

    def prepare() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.mkdir(directory)

    def work() -> Run:
        total = Run(0.0, 0.0, 0.0)
        for number in range(sample):
            took = run(Command(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
                 "-keyout", f"{directory}/{number}.key", "-out", f"{directory}/{number}.pem", "-days", "90",
                 "-subj", "/CN=mx1.example.test", "-addext", "subjectAltName=DNS:mx1.example.test"]
            ))  # fmt: skip
            total = Run(total.wall + took.wall, total.cpu + took.cpu, max(total.peak, took.peak))
        return total.times(count / sample)

    return Contestant(f"openssl req ({sample} measured)", work, prepare)
