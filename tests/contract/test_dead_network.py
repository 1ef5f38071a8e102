"""Addresses that answer nothing: each costs its own few seconds, and they are asked side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contract.home import Home
from tests.support.deaf import black_hole

DEAD = 20
CONNECT = 5.0
"""Seconds that an address has to answer."""
BUSY = 15.0
"""Seconds for everything else on a busy machine."""
KEY = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
HEAD = """
network_timeout = "{limit}"
[certificate.mx1]
names = ["mx1.example"]
announce = [{announcers}]
hold_down = "1h"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["note"]
[hook.note]
command = ["{home}/note"]
"""
ANNOUNCER = """
[announce.a{number}]
type = "policy"
path = "told{number}"
check = "http://127.0.90.{number}:{port}/told"
"""
PEER = """
[peer.p{number}]
feed = "http://127.0.91.{number}:{port}/feed"
key = '{key}'
map = "policy"
"""


@pytest.fixture
def hole() -> Iterator[int]:
    """A port that takes no connection, on every address of loopback."""
    with black_hole("0.0.0.0") as port:
        yield port


def begin(home: Home, port: int, limit: str) -> None:
    numbers = range(1, DEAD + 1)
    names = ", ".join(f'"a{number}"' for number in numbers)
    text = HEAD.format(limit=limit, announcers=names, home=home.path)
    text += "".join(ANNOUNCER.format(number=number, port=port) for number in numbers)
    text += "".join(PEER.format(number=number, port=port, key=KEY) for number in numbers)
    home.config(text)
    home.script("note", 'echo "$CERTCTL_FILES" >>"$HERE/noted"')


def test_each_its_own_time(home: Home, hole: int) -> None:
    """Twenty peers and twenty announcers whose addresses answer nothing take the time of one of each."""
    begin(home, hole, "5m")
    start = time.monotonic()
    ran = home("run", code=None)
    assert time.monotonic() - start < 2 * CONNECT + BUSY
    assert home.lines("noted"), "what needs nobody outside was not done"
    for number in range(1, DEAD + 1):
        assert f"127.0.91.{number}:" in ran.err


def test_all_in_the_time_of_the_pass(home: Home, hole: int) -> None:
    """They end with the time for others, where that is shorter."""
    begin(home, hole, "2s")
    start = time.monotonic()
    home("run", code=None)
    assert time.monotonic() - start < 2 + BUSY
    assert home.lines("noted")
