"""A pass with nothing to do: how long, how much more with every certificate, how much memory."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Mapping

import pytest

from tests.bench import bench_acme, cas, home, peers
from tests.bench.measure import Command, Contestant, Run, in_turn, middle, run
from tests.bench.result import Row, alone, compared
from tests.bench.setting import Setting

NAME = "idle"
WHAT = "a pass with nothing to do at 1 to 10,000 certificates, against certbot, lego and dehydrated on clones"
SLOPE = 60.0
PEAK = 40.0
SHARE = 0.03
"""Of certbot's time at 1,000 certificates."""
OFTEN = {"certbot": 1000, "lego": 100, "dehydrated": 100}
"""Certificates that a peer is measured with as often as certctl."""
ONCE = {"lego": 1000, "dehydrated": 1000}
"""And with so many but once: they take minutes."""

Grow = Callable[[int], Contestant]
"""Called with a count: clones the lineage until there are as many."""


def rows(setting: Setting) -> list[Row]:
    """Measure."""
    sizes = setting.size((1, 100, 1000, 10_000), quick=(1, 5, 100))
    found: list[Row] = []
    times: dict[int, Run] = {}
    with contextlib.ExitStack() as stack:
        field = _field(setting, stack)
        for count in sizes:
            results = _measure(setting, count, field)
            times[count] = middle(results["certctl"])
            found += _rows(count, results)
    high = setting.size(1000, quick=sizes[-1])
    found += _looking(setting, high)
    if not setting.quick:
        # Few certificates are looked at in another way than many, so a slope from 1 would say little.
        found += [_slope(times, 100, high), _slope(times, high, sizes[-1])]
    found.append(Row(NAME, f"peak memory at {high} certificates", times[high].peak, "MiB", 1, target=PEAK))
    return found


def _field(setting: Setting, stack: contextlib.ExitStack) -> dict[str, Grow]:
    """The peers, with a CA that lives as long as *stack*; none where there is no CA to be had."""
    try:
        ca = stack.enter_context(cas.ca(bench_acme.directory(setting)))
    except (pytest.skip.Exception, pytest.fail.Exception) as error:
        setting.say(f"without peers, which need a CA: {error}")
        return {}
    here = peers.all_peers(setting.say)
    return {name: _peer(setting, ca, here[name]) for name in OFTEN if name in here}


def _measure(setting: Setting, count: int, field: Mapping[str, Grow]) -> dict[str, list[Run]]:
    at = home.settled(setting.directory(f"idle{count}"), setting.installed(), count)
    ours = Contestant("certctl", lambda: at.do("-q", "run"))
    often, once = (setting.size(most, quick=dict.fromkeys(most, 5)) for most in (OFTEN, ONCE))
    peers_often = [grow(count) for name, grow in field.items() if count <= often[name]]
    peers_once = [grow(count) for name, grow in field.items() if often[name] < count <= once.get(name, 0)]
    runs = setting.runs(3 if peers_often else 9)
    results = in_turn([ours, *peers_often], runs, warm=not setting.quick)
    if peers_once:
        results |= in_turn(peers_once, 1, warm=False)
    return results


def _rows(count: int, results: dict[str, list[Run]]) -> list[Row]:
    case, mine = f"{count} certificate{'s' if count > 1 else ''}", results["certctl"]
    found = [
        compared(NAME, case, mine, name, runs, target=SHARE if (name, count) == ("certbot", 1000) else None)
        for name, runs in results.items()
        if name != "certctl"
    ]
    return found or [alone(NAME, case, mine)]


def _looking(setting: Setting, count: int) -> list[Row]:
    """Passes that look at more: at what is announced; with --verify, into every file."""
    told = '[announce.told]\ntype = "policy"\npath = "policy"\n'
    announced = home.settled(
        setting.directory("announced"), setting.installed(), count, more='announce = ["told"]\n', tables=told
    )
    plain = home.settled(setting.directory("verified"), setting.installed(), count)
    field = [
        Contestant("announced", lambda: announced.do("-q", "run")),
        Contestant("every file read (--verify)", lambda: plain.do("-q", "run", "--verify")),
    ]
    results = in_turn(field, setting.runs(5), warm=not setting.quick)
    return [alone(NAME, f"{count}, {name}", runs) for name, runs in results.items()]


def _slope(times: dict[int, Run], low: int, high: int) -> Row:
    """Microseconds of processor time for each certificate more."""
    value = (times[high].cpu - times[low].cpu) / (high - low) * 1e6
    return Row(NAME, f"each certificate more, {low} to {high}", value, "µs", 3, target=SLOPE)


def _peer(setting: Setting, ca: peers.Ca, peer: peers.Peer) -> Grow:
    """One lineage is issued for real."""
    at = setting.directory(peer.name)
    for command in peer.register(ca, at):
        run(command)
    run(peer.issue(ca, at, peers.SITE))
    makers = {"certbot": _certbot, "lego": _lego, "dehydrated": _dehydrated}
    make, have = makers[peer.name], [1]

    def grow(count: int) -> Contestant:
        names = [peers.SITE, *peers.names(count - 1)]
        work = make(ca, at, names, names[have[0] :])
        have[0] = count
        return Contestant(peer.name, work)

    return grow


def _certbot(ca: peers.Ca, at: str, names: list[str], new: list[str]) -> Callable[[], Run]:
    _clone_certbot(f"{at}/config", new)
    argv = [f"{peers.CERTBOT}/bin/certbot", "renew", "--non-interactive", "--no-random-sleep-on-renew"]
    command = Command([*argv, *peers.certbot_directories(at)], {"REQUESTS_CA_BUNDLE": ca.ca_file})
    return lambda: run(command)


def _lego(ca: peers.Ca, at: str, names: list[str], new: list[str]) -> Callable[[], Run]:
    """It knows one certificate a process."""
    _clone_lego(f"{at}/certificates", new)
    commands = [peers.lego(ca, at, name, "renew") for name in names]
    return lambda: bench_acme.total([run(command) for command in commands])


def _dehydrated(ca: peers.Ca, at: str, names: list[str], new: list[str]) -> Callable[[], Run]:
    for name in new:
        shutil.copytree(f"{at}/certs/{peers.SITE}", f"{at}/certs/{name}", symlinks=True)
    command = peers.dehydrated(ca, at, "--cron")
    with open(f"{at}/domains.txt", "w", encoding="ascii") as file:
        # The alias is the directory's name; the names are those that the certificate has.
        file.writelines(f"{peers.SITE} > {name}\n" for name in names)
    return lambda: run(command)


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
                with open(
                    f"{directory}/{name}{entry.removeprefix(peers.SITE)}", "w", encoding="utf-8"
                ) as out:
                    out.write(text.replace("{}", name) if entry.endswith(".json") else text)
