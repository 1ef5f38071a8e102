"""SIGKILL at every request and at every durable operation: the next process goes on, or says why not."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from certctl.issuers.acme.issuer import account_show
from certctl.store.keys import generate
from certctl.x509 import pem
from certctl.x509.certificate import certificate_facts
from certctl.x509.chain import order_chain
from certctl.x509.keys import key_facts
from tests.fault.acme_child import Children, Task, children
from tests.fault.acme_proxy import Exchange, Proxy, Reply, pebble_behind_proxy, the_nth
from tests.real.acme_world import World, account

AT_MOST = 60
WHY = "cannot be gone on with"


class CrashWorld(NamedTuple):
    world: World
    proxy: Proxy
    children: Children

    def task(self, label: str, **options: Any) -> Task:
        """Return a task with a home, a name and a work directory of its own."""
        work = os.path.join(self.world.directory, f"work-{label}")
        os.mkdir(work, 0o700)
        chosen = {
            "directory": self.proxy.directory_url,
            "ca_file": self.proxy.ca_file,
            "agree_tos": True,
            "email": ["a@example.test"],
            "listen": [f"127.0.0.1:{self.world.pebble.http_port}"],
            "validation_timeout": 20.0,
            **options,
        }
        home = os.path.join(self.world.directory, f"home-{label}")
        return Task(chosen, home, work, [f"{label}.example.test"], generate("ecdsa-p256").decode())

    def goes_on(self, task: Task) -> str:
        """Run *task* again, whole: it keeps its certificate, and leaves no note. Return what it logged."""
        status, said = self.children.run(task._replace(die_at=None))
        assert status == 0, said
        with open(task.kept, "rb") as file:
            chain = pem.certificates(file.read())
        order_chain(chain, key_facts(task.key_pem.encode()).key.sha256)
        assert list(certificate_facts(chain[0]).names) == task.names
        assert os.listdir(task.work_dir) == ["kept.pem"]
        return said


@pytest.fixture(scope="module")
def crash() -> Iterator[CrashWorld]:
    with pebble_behind_proxy(nonce_reject=5) as both, children() as running:
        yield CrashWorld(World(both.pebble, both.directory), both.proxy, running)


class Assassin:
    """Kills a process in the middle of a request."""

    def __init__(self) -> None:
        self.victim = 0

    def before(self, _: Exchange) -> Reply | None:
        os.kill(self.victim, signal.SIGKILL)
        return None

    def after(self, exchange: Exchange) -> Reply | None:
        exchange.forward()
        os.kill(self.victim, signal.SIGKILL)
        return None

    def aim(self, pid: int) -> None:
        self.victim = pid


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_request(crash: CrashWorld, moment: str) -> None:
    """Before the CA has the request, or after it has acted: one certificate, and one order, or why not."""
    for number in range(AT_MOST):
        task = crash.task(f"{moment}-{number}")
        assassin = Assassin()
        fault: Callable[[Exchange], Reply | None] = getattr(assassin, moment)
        crash.proxy.reset(fault, the_nth(number))
        status, said = crash.children.run(task, assassin.aim)
        if status == 0:
            assert number >= 10, said
            return
        assert status == -signal.SIGKILL, said
        killed_at = crash.proxy.requests[number]
        said = crash.goes_on(task)
        assert crash.proxy.count("/finalize-order/") == 1, (killed_at, said)
        orders = crash.proxy.count("/order-plz")
        assert orders == 1 or killed_at == "/order-plz" or WHY in said, (killed_at, said)
    raise AssertionError("the conversation never ended")


def test_killed_at_every_durable_operation(crash: CrashWorld) -> None:
    """Key, registration, note, and what follows: whatever is not there yet is made, what is there is used."""
    for number in range(AT_MOST):
        task = crash.task(f"operation-{number}")._replace(die_at=number)
        crash.proxy.reset()
        status, said = crash.children.run(task)
        if status == 0:
            assert number >= 10, said
            return
        assert status == -signal.SIGKILL, said
        ordered = crash.proxy.count("/order-plz")
        noted = os.path.exists(os.path.join(task.work_dir, "acme-order-ecdsa-p256.json"))
        crash.goes_on(task)
        assert crash.proxy.count("/order-plz") == (1 if noted or not ordered else 2)
        assert crash.proxy.count("/finalize-order/") == 1
    raise AssertionError("the order never ended")


def test_webroot_is_clean_after_a_crash(crash: CrashWorld) -> None:
    """Wherever an order dies, the next one takes its token away, and those of certificates that are gone."""
    root = os.path.join(crash.world.directory, "www")
    os.mkdir(root)
    tokens = os.path.join(root, ".well-known/acme-challenge")
    home = os.path.join(crash.world.directory, "home-webroot")
    left = 0
    for number in range(AT_MOST):
        # Nobody serves the webroot: the order fails, if it is not killed before.
        task = crash.task(f"webroot-{number}", webroot=root)._replace(home=home, die_at=number)
        crash.proxy.reset()
        status, _ = crash.children.run(task)
        left += len(os.listdir(tokens)) if os.path.isdir(tokens) else 0
        other = crash.task(f"webroot-{number}-other", webroot=root)._replace(home=home)
        assert crash.children.run(other)[0] == 3
        assert os.listdir(tokens) == [], number
        assert os.listdir(os.path.join(home, "leftovers")) == [], number
        if status == 3:
            assert left > 1
            return
    raise AssertionError("the order never ended")


def test_rollover_killed_anywhere(crash: CrashWorld) -> None:
    """Requests and durable operations of a key rollover: the account stays, with one of the two keys."""
    task = crash.task("rollover")
    crash.proxy.reset()
    ca = {"directory": crash.proxy.directory_url, "ca_file": crash.proxy.ca_file}
    url = account(crash.world.issuer("home-rollover", **ca)).url
    for moment in ("before", "after", "operation"):
        for number in range(AT_MOST):
            assassin = Assassin()
            fault = getattr(assassin, moment, None)
            crash.proxy.reset(fault, the_nth(number))
            die_at = number if fault is None else None
            status, said = crash.children.run(task._replace(action="rollover", die_at=die_at), assassin.aim)
            crash.proxy.reset()
            found = account_show(crash.world.issuer("home-rollover", **ca))
            assert found.url == url, (moment, number, said)
            if status == 0:
                break
        assert 3 < number < AT_MOST - 1, moment
