"""Certificates over ACME, from the command line: 20 and 200 at once, of a quick CA, a slow one, a moody one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from tests.bench import cas, home, peers
from tests.bench.measure import Contestant, Run, in_turn, run
from tests.bench.result import Row, alone, compared
from tests.bench.setting import Setting

NAME = "acme"
WHAT = "20 and 200 certificates over ACME (Pebble on loopback), against certbot, lego, dehydrated and uacme"
TARGETS = {"certbot": 0.02, "uacme": 0.2}
SLOWEST = 3
SAMPLE = {"certbot": 2, "dehydrated": 2, "lego": 2, "uacme": 20}
"""Of these, which take one certificate after the other, few are measured, and counted as many."""
SLOW_SAMPLE = dict.fromkeys(SAMPLE, 4)
"""Of a CA that takes its time: a validation is 1.5 seconds on average."""


def rows(setting: Setting) -> list[Row]:
    """Measure. Accounts are there before, everybody's challenges are answered by the same web server."""
    few, many = setting.size(20, quick=3), setting.size(200, quick=6)
    found: list[Row] = []
    with cas.ca(directory(setting)) as ca:
        for count, runs in ((few, setting.runs(3)), (many, 1)):
            found += _against_peers(setting, ca, count, f"{count} certificates", runs, SAMPLE, TARGETS)
    for reject in (5, 50):
        with cas.ca(directory(setting), nonce_reject=reject) as ca:
            for count, runs in ((few, setting.runs(5)), (many, 1)):
                found.append(_alone(setting, ca, count, f"{count}, {reject} % of nonces refused", runs))
    with cas.ca(directory(setting), slowest=SLOWEST) as ca:
        case, note = f"validated in 0–{SLOWEST} s", "the slow CA: the slowest validation + 1 s"
        row = _alone(setting, ca, few, f"{few}, {case}", setting.runs(3))
        found.append(row._replace(target=SLOWEST + 1.0, note=note))
        found += _against_peers(setting, ca, many, f"{many}, {case}", 1, SLOW_SAMPLE, {})
        most = f"max_orders = {many}"
        found.append(_alone(setting, ca, many, f"{many}, {case}, {most}", 1, most))
    if cas.names_retry_after():
        with cas.ca(directory(setting), retry_after=1) as ca:
            row = _alone(setting, ca, few, f"{few}, Retry-After: 1", setting.runs(3))
            found.append(
                row._replace(note="Retry-After: 1: the CA wants a second between questions, and gets it")
            )
    return found


def directory(setting: Setting) -> str:
    """A new directory for a CA."""
    path = setting.directory("ca")
    os.mkdir(path)
    return path


def _against_peers(
    setting: Setting,
    ca: peers.Ca,
    count: int,
    case: str,
    runs: int,
    samples: Mapping[str, int],
    targets: Mapping[str, float],
) -> list[Row]:
    """certctl beside every peer, of which a sample is measured."""
    field = [_certctl(setting, ca, count)]
    here = peers.all_peers(setting.say)
    for peer in here.values():
        sample = min(count, samples[peer.name])
        field.append(_peer(setting, ca, peer, count, 1 if setting.quick else sample))
    results = in_turn(field, runs, warm=False)
    ours = results["certctl"]
    if not here:
        return [alone(NAME, case, ours)]
    return [
        compared(
            NAME, case, ours, one.name, results[one.name],
            target=next((t for name, t in targets.items() if one.name.startswith(name)), None),
        )
        for one in field[1:]
    ]  # fmt: skip


def _alone(setting: Setting, ca: peers.Ca, count: int, case: str, runs: int, more: str = "") -> Row:
    return alone(NAME, case, in_turn([_certctl(setting, ca, count, more)], runs, warm=False)["certctl"])


def _certctl(setting: Setting, ca: peers.Ca, count: int, more: str = "") -> Contestant:
    """*more*: a line for the issuer's table."""
    table = (
        f'[issuer.ca]\ntype = "acme"\ndirectory = "{ca.url}"\nagree_tos = true\nwebroot = "{ca.webroot}"\n'
        f'ca_file = "{ca.ca_file}"\n{more}'
    )
    at = home.make(setting.directory("acme"), setting.installed(), count, issuer="ca", tables=table)
    at.do("-q", "run", "c00000")
    account = f"{at.root}.account"
    shutil.copytree(f"{at.root}/state/issuers", account)

    def prepare() -> None:
        at.empty()
        os.mkdir(f"{at.root}/state", 0o700)
        shutil.copytree(account, f"{at.root}/state/issuers")

    return Contestant("certctl", lambda: at.do("-q", "run"), prepare)


def _peer(setting: Setting, ca: peers.Ca, peer: peers.Peer, count: int, sample: int) -> Contestant:
    """One process for each certificate, as these programs are made."""
    directory = setting.directory(peer.name)
    os.mkdir(directory)
    fresh, at = f"{directory}/account", f"{directory}/home"
    for command in peer.register(ca, at):
        run(command)
    shutil.copytree(at, fresh, symlinks=True)

    def prepare() -> None:
        shutil.rmtree(at)
        shutil.copytree(fresh, at, symlinks=True)

    def work() -> Run:
        return total([run(peer.issue(ca, at, name)) for name in peers.names(sample)]).times(count / sample)

    name = peer.name if sample == count else f"{peer.name} ({sample} measured)"
    return Contestant(name, work, prepare)


def total(runs: Sequence[Run]) -> Run:
    return Run(sum(one.wall for one in runs), sum(one.cpu for one in runs), max(one.peak for one in runs))
