"""A pass with nothing to do: how long, how much more with every certificate, how much memory."""

from __future__ import annotations

import os
import re
import shutil

from tests.bench import bench_acme, cas, home, peers
from tests.bench.measure import Command, Contestant, Run, in_turn, middle, run
from tests.bench.result import Row, compared
from tests.bench.setting import Setting

NAME = "idle"
WHAT = "a pass with nothing to do at 1 to 10,000 certificates, against certbot, lego and dehydrated on clones"
SLOPE = 60.0
PEAK = 40.0
SHARE = 0.03
"""Of certbot's time at 1,000 certificates."""
MOST = {"certbot": 1000, "lego": 100, "dehydrated": 100}
"""Certificates that a peer is measured with: more would take minutes."""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    sizes = setting.size((1, 100, 1000, 10_000), quick=(1, 20))
    homes = {n: home.settled(setting.directory(f"idle{n}"), setting.installed(), n) for n in sizes}
    found: list[Row] = []
    times: dict[int, Run] = {}
    with cas.ca(bench_acme.directory(setting)) as ca:
        here = peers.all_peers(setting.say)
        for count, at in homes.items():
            field = [Contestant("certctl", lambda at=at: at.do("-q", "run"))]  # type: ignore[misc]
            for name in ("certbot", "lego", "dehydrated"):
                if name in here and count <= MOST[name]:
                    field.append(_peer(setting, ca, here[name], count))
            runs = setting.runs(9 if count <= 1000 and len(field) == 1 else 3)
            results = in_turn(field, runs, warm=not setting.quick)
            times[count] = middle(results["certctl"])
            found += [_beside(one.name, count, results) for one in field[1:]]
            if len(field) == 1:
                mine = times[count]
                found.append(
                    Row(NAME, f"{count} certificates", mine.wall, "s", runs, cpu=mine.cpu, peak=mine.peak)
                )
    low, high = sizes[0], 1000 if 1000 in sizes else sizes[-1]
    found.append(_slope(times, low, high, setting))
    if sizes[-1] != high:
        found.append(_slope(times, high, sizes[-1], setting))
    found.append(Row(NAME, f"peak memory at {high}", times[high].peak, "MiB", 1, target=PEAK))
    return found


def _beside(name: str, count: int, results: dict[str, list[Run]]) -> Row:
    target = SHARE if (name, count) == ("certbot", 1000) else None
    return compared(NAME, f"{count} certificates", results["certctl"], name, results[name], target=target)


def _slope(times: dict[int, Run], low: int, high: int, setting: Setting) -> Row:
    """Microseconds of processor time for each certificate more."""
    value = (times[high].cpu - times[low].cpu) / (high - low) * 1e6
    target = None if setting.quick else SLOPE
    return Row(NAME, f"each certificate more, {low} to {high}", value, "µs", 3, target=target)


def _peer(setting: Setting, ca: peers.Ca, peer: peers.Peer, count: int) -> Contestant:
    """One lineage is issued for real, and copied *count* - 1 times."""
    at = setting.directory(peer.name)
    for command in peer.register(ca, at):
        run(command)
    run(peer.issue(ca, at, peers.SITE))
    names = [peers.SITE, *peers.names(count - 1)]
    if peer.name == "certbot":
        _clone_certbot(f"{at}/config", names[1:])
        argv = [peer.program, "renew", "--non-interactive", "--no-random-sleep-on-renew"]
        command = Command([*argv, *peers.certbot_directories(at)], {"REQUESTS_CA_BUNDLE": ca.ca_file})
        return Contestant(peer.name, lambda: run(command))
    if peer.name == "lego":
        _clone_lego(f"{at}/certificates", names[1:])
        commands = [peers.lego(ca, at, name, "renew") for name in names]
        return Contestant(peer.name, lambda: bench_acme.total([run(command) for command in commands]))
    for name in names[1:]:
        shutil.copytree(f"{at}/certs/{peers.SITE}", f"{at}/certs/{name}", symlinks=True)
    command = peers.dehydrated(ca, at, "--cron")
    with open(f"{at}/domains.txt", "w", encoding="ascii") as file:
        # The alias is the directory's name; the names are those that the certificate has.
        file.writelines(f"{peers.SITE} > {name}\n" for name in names)
    return Contestant(peer.name, lambda: run(command))


def _clone_certbot(config: str, names: list[str]) -> None:
    with open(f"{config}/renewal/{peers.SITE}.conf", encoding="utf-8") as file:
        text = file.read()
    for name in names:
        shutil.copytree(f"{config}/archive/{peers.SITE}", f"{config}/archive/{name}")
        os.mkdir(f"{config}/live/{name}")
        for part in ("cert", "chain", "fullchain", "privkey"):
            os.symlink(f"../../archive/{name}/{part}1.pem", f"{config}/live/{name}/{part}.pem")
        with open(f"{config}/renewal/{name}.conf", "w", encoding="utf-8") as file:
            file.write(re.sub(re.escape(peers.SITE), name, text))


def _clone_lego(directory: str, names: list[str]) -> None:
    for entry in os.listdir(directory):
        if entry.startswith(peers.SITE):
            with open(f"{directory}/{entry}", encoding="utf-8") as file:
                text = file.read().replace(peers.SITE, "{}") if entry.endswith(".json") else file.read()
            for name in names:
                with open(f"{directory}/{name}{entry.removeprefix(peers.SITE)}", "w", encoding="utf-8") as out:
                    out.write(text.replace("{}", name) if entry.endswith(".json") else text)
