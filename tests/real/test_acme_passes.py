"""ACME as a whole: certctl's commands against a real Pebble that rejects every fifth nonce."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from certctl.issuers.acme.certificate import certificate_id
from certctl.planning.times import parse_rfc3339, rfc3339
from tests.fault import acme_proxy as faults
from tests.fault.acme_proxy import Exchange, Proxy, Reply, proxy
from tests.real.servers.pebble import Pebble, pebble
from tests.real.servers.require import missing
from tests.real.servers.scratch import scratch_directory
from tests.support.world import World

PAGE = (Path(__file__).parents[2] / "docs/acme.md").read_text(encoding="utf-8")


class Ca(NamedTuple):
    """Pebble, and the proxy that all requests go through."""

    pebble: Pebble
    proxy: Proxy

    def table(self, name: str = "ca", **more: str) -> str:
        """An issuer's table; *more*: values as TOML has them."""
        values = {
            "directory": f'"{self.proxy.directory_url}"',
            "ca_file": f'"{self.proxy.ca_file}"',
            "listen": f'"127.0.0.1:{self.pebble.http_port}"',
            "agree_tos": "true",
            **more,
        }
        return f'[issuer.{name}]\ntype = "acme"\n' + "".join(f"{k} = {v}\n" for k, v in values.items())

    def orders(self) -> list[dict[str, Any]]:
        """Let the proxy note what is ordered from now on, in the list that is returned."""
        found: list[dict[str, Any]] = []

        def note(exchange: Exchange) -> Reply:
            reply = exchange.forward()
            if reply.status == 201:
                found.append(exchange.payload)
            return reply

        self.proxy.reset(note, lambda _, path: path == "/order-plz")
        return found


@pytest.fixture(scope="module")
def ca() -> Iterator[Ca]:
    with scratch_directory() as scratch, contextlib.ExitStack() as stack:
        for name in ("pebble", "proxy"):
            os.mkdir(os.path.join(scratch, name))
        server = stack.enter_context(pebble(f"{scratch}/pebble", nonce_reject=20))
        if not server.has_renewal_info:
            missing("this Pebble has no renewalInfo", "tests/run unpacks a newer one")
        yield Ca(server, stack.enter_context(proxy(f"{scratch}/proxy", server)))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca: Ca) -> World:
    ca.proxy.reset()
    return World(tmp_path, monkeypatch)


def certificate(name: str, issuer: str = '"ca"', **more: str) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    file = f'[[certificate.{name}.file]]\npath = "tls/{name}.pem"\nhooks = ["reload"]\n'
    return f'[certificate.{name}]\nnames = ["{name}.example.test"]\nissuer = {issuer}\n{lines}{file}'


def leaf(world: World, name: str) -> bytes:
    """The certificate that is served."""
    return (Path(world.layout.live(name)) / "cert.pem").read_bytes()


def key(world: World, name: str, slot: str = "current") -> str:
    found: str = world.status()[name][slot]["keys"][0]["key_sha256"]
    return found


def revoked(ca: Ca, serial: str) -> bool:
    answer = ca.pebble.get(f"{ca.pebble.management_url}/cert-status-by-serial/{serial}")
    return bool(json.loads(answer)["Status"] == "Revoked")


def serial(pem: bytes) -> str:
    from cryptography import x509

    return f"{x509.load_pem_x509_certificate(pem).serial_number:x}"


def typed(ca: Ca, text: str, directory: Path) -> None:
    """Type what the page has, the places in it being below *directory*."""
    ca.proxy.reset()
    text = text.replace("/etc/certctl", str(directory / "etc")).replace("mx1.example.org", "mx1.example.test")
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    environment = {"PATH": path, "CERTCTL_CONFIG": f"{directory}/etc/certctl.toml"}
    argv = ["sh", "-eu", "-c", text]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_first_certificate_in_one_line(ca: Ca, tmp_path: Path) -> None:
    """The page's first line gets a certificate that is served, with only the place and the CA changed."""
    proxy, port = ca.proxy, ca.pebble.http_port
    where = f"{proxy.directory_url} --ca-file {proxy.ca_file} --listen 127.0.0.1:{port} --agree-tos"
    text = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert "--acme letsencrypt " in text
    typed(ca, text.replace("--acme letsencrypt ", f"--acme {where} --dir /etc/certctl "), tmp_path)
    served = (tmp_path / "etc/tls/mx1.example.test.pem").read_bytes()
    assert served.count(b"BEGIN CERTIFICATE") == 2
    assert ca.proxy.count("/finalize-order/") == 1
    ran = subprocess.run(
        [sys.executable, "-m", "certctl", "--config", f"{tmp_path}/etc/certctl.toml", "plan", "--check"],
        check=False,
    )
    assert ran.returncode == 0, "the next pass has nothing to do"


def test_first_certificate_in_ten_lines(ca: Ca, tmp_path: Path) -> None:
    """What the page has a newcomer type gets a certificate, with only the places and the CA changed."""
    text = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    table = ca.table().partition("\n")[2].partition("\n")[2].replace("agree_tos = true\n", "")
    text = text.replace("[issuer.letsencrypt]", f'state_dir = "{tmp_path}/state"\n[issuer.letsencrypt]')
    text = re.sub(r"^directory = .*\n", lambda _: table, text, flags=re.MULTILINE)
    typed(ca, text, tmp_path)
    assert "BEGIN CERTIFICATE" in (tmp_path / "state/live/mx1/fullchain.pem").read_text()


def test_orders_name_what_they_replace(world: World, ca: Ca) -> None:
    """A renewal keeps the key; it and a rotation name the certificate that they take the place of."""
    world.configure(ca.table() + certificate("replaces"))
    orders = ca.orders()
    served: list[bytes] = []
    keys = []
    for words in (["run"], ["renew", "replaces"], ["rotate", "replaces", "--force"], ["renew", "replaces"]):
        world.done(*words)
        served.append(leaf(world, "replaces"))
        keys.append(key(world, "replaces"))
    assert [order.get("replaces") for order in orders] == [None, *map(certificate_id, served[:3])]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_advice_is_shown_and_followed(world: World, ca: Ca) -> None:
    """The window's moment and explanation are in status and plan; a window in the past renews at once."""
    world.configure(ca.table() + certificate("advised"))
    world.done("run")
    first, before = leaf(world, "advised"), key(world, "advised")
    now = datetime.now(timezone.utc)

    def window(start: timedelta, end: timedelta) -> None:
        found = {"start": rfc3339(now + start), "end": rfc3339(now + end)}
        document = {"suggestedWindow": found, "explanationURL": "https://ca.test/why"}
        ca.pebble.set_renewal_info(first.decode(), document)
        world.later(days=1)  # Pebble wants to be asked every six hours

    window(timedelta(days=40), timedelta(days=41))
    world.done("run")
    renew_at = world.status()["advised"]["renew_at"]
    assert rfc3339(now + timedelta(days=40)) <= renew_at <= rfc3339(now + timedelta(days=41))
    world.later(hours=12)
    world.done("run")
    assert world.status()["advised"]["renew_at"] == renew_at, "the moment stays while the window does"
    for command in ("status", "plan"):
        assert "https://ca.test/why" in world.done(command).out
    (hold,) = world.done("plan", "--json").document["holds"]
    assert (hold["kind"], hold["subject"], hold["until"]) == ("issue", "advised", renew_at)
    window(timedelta(days=-2), timedelta(days=-1))
    assert leaf(world, "advised") == first
    world.later(days=1)
    ran = world.done("run")
    assert "issued by ca" in ran.err
    assert leaf(world, "advised") != first
    assert key(world, "advised") == before
    assert "https://ca.test/why" in world.done("log", "advised").out, "the journal says why it was renewed"


@pytest.mark.parametrize(("reason", "standby"), [("superseded", False), ("keyCompromise", True)])
def test_revocation_replaces_first(world: World, ca: Ca, reason: str, standby: bool) -> None:
    """What is revoked is no longer served: the key gets another certificate, or gives way if it is lost."""
    name = f"revoked-{reason.lower()}"
    world.configure(ca.table() + certificate(name, announce='["pins"]', hold_down='"30d"')
                    + '[announce.pins]\ntype = "policy"\npath = "pins"\n')  # fmt: skip
    world.done("run")
    before, current, following = leaf(world, name), key(world, name), key(world, name, "next")
    world.done("revoke", name, "--reason", reason)
    assert revoked(ca, serial(before))
    after = leaf(world, name)
    assert not revoked(ca, serial(after))
    assert after in (world.tls / f"{name}.pem").read_bytes()
    assert key(world, name) == (following if standby else current)
    lost = world.status()[name]["previous"]
    assert (lost is not None and lost["compromised"]) == standby
    assert (world.root / "pins").read_text().count("match=") == 2, "a key that was lost is told no more"
    assert world.steps() == []


def test_account_commands(world: World, ca: Ca) -> None:
    """It is shown, gets another key that orders go on with, follows the configuration, and is given up."""
    world.configure(ca.table(email='"a@example.test"') + certificate("account"))
    assert "has no account yet" in world("account", "show", "ca").err
    world.done("run")
    before = world.done("account", "show", "ca", "--json").document
    assert (before["status"], before["contact"]) == ("valid", ["mailto:a@example.test"])
    after = world.done("account", "rollover", "ca", "--json").document
    assert after["url"] == before["url"]
    assert after["thumbprint"] != before["thumbprint"]
    world.configure(ca.table(email='"b@example.test"') + certificate("account"))
    world.done("renew", "account")
    assert world.done("account", "show", "ca", "--json").document["contact"] == ["mailto:b@example.test"]
    world.done("account", "deactivate", "ca")
    ran = world("renew", "account")
    assert ran.code == 1
    assert "was deactivated" in ran.err


@pytest.mark.parametrize("command", [("run",), ("renew", "rehearsed")])
def test_dry_run_keeps_nothing(world: World, ca: Ca, command: tuple[str, ...]) -> None:
    """Challenges are answered for real, and afterwards neither account, key nor certificate is there."""
    world.configure(ca.table() + certificate("rehearsed"))
    orders = ca.orders()
    ran = world.done(*command, "--dry-run")
    assert "ca would issue it" in ran.err
    (order,) = orders
    assert order["identifiers"] == [{"type": "dns", "value": "rehearsed.example.test"}]
    assert not os.path.exists(world.layout.issuers)
    assert world.status()["rehearsed"]["state"] == "new"


def test_dry_run_fails_as_the_pass_would(world: World, ca: Ca) -> None:
    """What the CA refuses is said, with exit status 1."""
    world.configure(ca.table(profile='"none"') + certificate("rehearsed"))
    ran = world("run", "--dry-run")
    assert ran.code == 1
    assert "has no profile 'none'" in ran.err


def test_issuers_in_turn(world: World, ca: Ca) -> None:
    """Where the first issuer fails the next one is asked, and the journal says why."""
    dead = ca.table("dead", directory='"https://localhost:1/dir"')
    world.configure(dead + ca.table() + certificate("turns", '["dead", "ca"]'))
    ran = world.done("run")
    assert "asking the next issuer" in ran.err
    assert world.status()["turns"]["issuer"] == "ca"
    assert "no answer from localhost:1: connection refused" in world.done("log", "turns").out


def test_back_off_outlives_the_process(world: World, ca: Ca) -> None:
    """After a 429 neither that certificate nor another is ordered before the CA's time; then both are."""
    world.configure(ca.table() + certificate("limited"))
    ca.proxy.reset(faults.limited_seconds, lambda _, path: path == "/order-plz")
    ran = world("run")
    assert ran.code == 1
    assert faults.WORDS in ran.err
    assert faults.WORDS in world.status()["limited"]["last_error"]
    ca.proxy.reset()
    assert world("run").code in (0, 1)
    assert ca.proxy.requests == [], "its own back-off"
    world.configure(ca.table() + certificate("limited") + certificate("other"))
    ran = world("run")
    assert ran.code == 1
    assert re.search(f"other: .* asked for a pause, .* of it are left: {faults.WORDS}", ran.err)
    assert ca.proxy.count("/order-plz") == 0, "the CA's pause"
    os.unlink(os.path.join(world.layout.issuers, "ca/pause.json"))
    world.later(minutes=10)
    world.done("run")
    assert {row["state"] for row in world.status().values()} == {"ok"}


def test_failure_is_tried_less_and_less_often(world: World, ca: Ca) -> None:
    """Each pass that fails makes the next try later, whatever cron does in between."""
    world.configure(ca.table() + certificate("failing"))
    ca.proxy.reset(lambda _: faults.problem(403), lambda _, path: path == "/order-plz")
    waits = []
    for _ in range(4):
        assert world("run").code == 1
        again = datetime.fromisoformat(world.status()["failing"]["retry_at"].replace("Z", "+00:00"))
        waits.append((again - world.now).total_seconds())
        tried = len(ca.proxy.requests)
        world("run")
        assert len(ca.proxy.requests) == tried
        world.offset += again - world.now
    assert all(later > earlier * 1.3 for earlier, later in pairwise(waits)), waits


def test_each_algorithm_has_its_order(world: World, ca: Ca) -> None:
    """Two keys, two certificates, in one bundle, and two orders when they are renewed."""
    world.configure(ca.table() + certificate("both", keys='["ecdsa-p256", "rsa-2048"]'))
    orders = ca.orders()
    world.done("run")
    assert len(orders) == 2
    bundle = (world.tls / "both.pem").read_bytes()
    assert bundle.count(b"PRIVATE KEY-----\n") == 4
    world.done("renew", "both")
    assert len({order["replaces"] for order in orders[2:]}) == len(orders[2:]) == 2


def test_no_more_orders_at_once_than_configured(world: World, ca: Ca) -> None:
    """Of six certificates two are under way at a time."""
    names = [f"m{number}" for number in range(6)]
    world.configure(ca.table(max_orders="2") + "".join(map(certificate, names)))
    lock, under_way, most = threading.Lock(), 0, 0

    def count(exchange: Exchange) -> Reply:
        nonlocal under_way, most
        placed, fetched = exchange.path == "/order-plz", exchange.path.startswith("/certZ/")
        with lock:
            under_way -= fetched
        reply = exchange.forward()
        with lock:
            under_way += (placed and reply.status == 201) + (fetched and reply.status != 200)
            most = max(most, under_way)
        return reply

    ca.proxy.reset(count, lambda *_: True)
    world.done("run")
    assert {row["state"] for row in world.status().values()} == {"ok"}
    assert 1 <= most <= 2


def test_ca_whose_clock_lags(world: World, ca: Ca) -> None:
    """What a CA issues is due again by our clock: it is used with a word, and not ordered again at once."""
    world.configure(ca.table() + certificate("lags"))
    orders = ca.orders()
    world.done("run")
    end = parse_rfc3339(world.status()["lags"]["current"]["keys"][0]["not_after"])
    world.wrong = (end - world.now) * 0.9
    world.done("run", "--accept-clock")
    ran = world.done("renew", "lags")
    assert "due for renewal already" in ran.err
    count = len(orders)
    for _ in range(3):
        world.later(minutes=10)
        world.done("run")
    assert len(orders) == count
    assert count <= 3
