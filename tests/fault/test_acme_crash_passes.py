"""SIGKILL at durable operations of a pass that orders: the next pass goes on with the same order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fault.acme_proxy import Proxy, pebble_behind_proxy
from tests.support import crash
from tests.support.world import World

AT_MOST = 400
EVERY = 3
"""Each operation by itself is in test_acme_crash; here it is the whole of a pass that matters."""
ISSUER = """\
[issuer.ca]
type = "acme"
directory = "{directory}"
ca_file = "{ca_file}"
listen = "127.0.0.1:{port}"
agree_tos = true
"""
CERTIFICATE = """\
[certificate.{name}]
names = ["{name}.example.test"]
issuer = "ca"
[[certificate.{name}.file]]
path = "tls/{name}.pem"
hooks = ["reload"]
"""


class Ca(NamedTuple):
    proxy: Proxy
    table: str


@pytest.fixture(scope="module")
def ca() -> Iterator[Ca]:
    with pebble_behind_proxy(nonce_reject=5) as both:
        between = both.proxy
        table = ISSUER.format(
            directory=between.directory_url, ca_file=between.ca_file, port=both.pebble.http_port
        )
        yield Ca(between, table)


def test_a_pass_is_killed_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca: Ca) -> None:
    """Wherever it dies, one more pass serves the certificate; no order is placed twice once it is noted."""
    world = World(tmp_path, monkeypatch)
    world.configure(ca.table + CERTIFICATE.format(name="mx1"))
    world.done("run")
    world.configure(ca.table + CERTIFICATE.format(name="mx1") + CERTIFICATE.format(name="mx2"))
    begin = world.save()
    noted_once = False
    for number in range(1, AT_MOST, EVERY):
        begin.restore()
        ca.proxy.reset()
        died = crash.killed(world, number, "run")
        lost = ca.proxy.count("/order-plz") - ca.proxy.count("/finalize-order/")
        noted = bool(list(Path(world.layout.lineage("mx2")).glob("1/order/acme-order-*.json")))
        world.done("run")
        # Between the CA's answer and the note nobody knows of the order: that one is placed again.
        assert ca.proxy.count("/order-plz") == (2 if lost and not noted else 1), number
        assert ca.proxy.count("/finalize-order/") == 1, number
        row = world.status()["mx2"]
        assert row["current"] and not [file for file in row["files"] if file["problem"]], row
        assert f"{world.tls}/mx2.pem" in (world.root / "reload.log").read_text()
        world.done("plan", "--check")
        noted_once = noted_once or noted
        if not died:
            assert noted_once
            return
    raise AssertionError("the pass never ended")
