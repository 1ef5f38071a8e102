"""Client keys: lines of `certctl fingerprints --format access` let a relay in, also through a rotation."""

from __future__ import annotations

import os

import pytest

from tests.real.announce_world import Clock, Host
from tests.real.servers.postfix import Postfix, postfix
from tests.real.servers.process import run
from tests.real.servers.require import program
from tests.real.servers.scratch import write
from tests.real.servers.start import Start

CONFIG = """
[certificate.relay]
names = ["relay.test"]
hold_down = "1h"
[[certificate.relay.file]]
path = "relay.pem"
"""


@pytest.mark.parametrize("restriction", ["permit_tls_clientcerts", "check_ccert_access hash:{map}"])
def test_relay_by_its_key(
    start: Start, scratch: str, monkeypatch: pytest.MonkeyPatch, restriction: str
) -> None:
    """A relay is let in by the lines that were printed, refused without them, and not lost by a rotation."""
    clock = Clock(monkeypatch)
    host = Host(os.path.join(scratch, "host"), CONFIG)
    host.done("run")
    access = write(os.path.join(scratch, "clients"), "")
    server = start(
        postfix,
        chain_files=[host.path("relay.pem")],
        parameters={
            "mynetworks": "192.0.2.1",
            "smtpd_tls_ask_ccert": "yes",
            "relay_clientcerts": f"hash:{access}",
            "smtpd_relay_restrictions": f"{restriction.format(map=access)}, reject",
        },
    )
    client = start(
        postfix,
        routes={"example.test": f"smtp:[127.0.0.1]:{server.smtp}"},
        hostname="relay.test",
        parameters={
            "mydestination": "relay.test",
            "smtp_tls_security_level": "encrypt",
            "smtp_tls_policy_maps": "",
            "smtp_tls_chain_files": host.path("relay.pem"),
        },
    )
    _build(server, access)
    assert "Access denied" in _outcome(client)

    write(access, host.done("fingerprints", "relay", "--format", "access").out)
    _build(server, access)
    assert "status=sent" in _outcome(client)

    host.done("rotate", "relay")
    clock.pass_(3600)
    host.done("run")
    assert host.generation() == 2
    client.reload()
    assert "status=sent" in _outcome(client)


def _build(server: Postfix, path: str) -> None:
    """Build the table; the server's processes take it when they are new."""
    run([program("postmap"), "-c", server.directory, f"hash:{path}"])
    server.reload()


def _outcome(client: Postfix) -> str:
    return client.outcome(client.send())
