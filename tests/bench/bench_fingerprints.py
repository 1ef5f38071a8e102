"""A thousand fingerprints: recorded ones, and of files, against openssl processes."""

from __future__ import annotations

import os

from tests.bench import home
from tests.bench.measure import Command, Contestant, Run, in_turn, run
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "fingerprints"
WHAT = "certificate and key fingerprints of 1,000 certificates, against openssl processes"
TARGET = 0.01
_KEY = 'openssl x509 -in "$1" -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -c'


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    count = setting.size(1000, quick=20)
    at = home.settled(setting.directory("fingerprints"), setting.installed(), count)
    heap = f"{at.root}/all.pem"
    leaves = [f"{at.root}/state/live/{name}/cert.pem" for name in at.names()]
    with open(heap, "wb") as file:
        for leaf in leaves:
            with open(leaf, "rb") as one:
                file.write(one.read())
    sample = leaves[: setting.size(50, quick=3)]
    openssl = f"openssl ({len(sample)} measured)"
    field = [
        Contestant("recorded", lambda: at.do("fingerprints", "--slot", "current", "--json")),
        Contestant("of one PEM file", lambda: at.do("fingerprints", "--file", heap)),
        Contestant(openssl, lambda: _openssl(sample).times(count / len(sample))),
    ]
    results = in_turn(field, setting.runs(5))
    return [
        compared(NAME, f"{count} {one.name}", results[one.name], openssl, results[openssl], target=TARGET)
        for one in field[:2]
    ]


def _openssl(leaves: list[str]) -> Run:
    """What a shell script does: one fingerprint of the certificate, one of its key."""
    total = Run(0.0, 0.0, 0.0)
    for leaf in leaves:
        for argv in (
            ["openssl", "x509", "-in", leaf, "-noout", "-fingerprint", "-sha256"],
            ["sh", "-c", _KEY, "sh", os.fspath(leaf)],
        ):
            took = run(Command(argv))
            total = Run(total.wall + took.wall, total.cpu + took.cpu, max(total.peak, took.peak))
    return total
