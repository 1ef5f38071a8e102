"""While a pass waits for somebody outside, nobody waits for it; and it does not wait for ever."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from certctl.issuers.acme import accountfile
from tests.contract.home import Home, until
from tests.support.deaf import Deaf, deaf

SOON = 10.0
"""Seconds for a command that nothing holds up: it must start within five, on a busy machine."""

CONFIG = """
network_timeout = "{limit}"
[issuer.far]
type = "acme"
directory = "http://127.0.0.1:{port}/directory"
agree_tos = true
[issuer.slow]
type = "command"
command = ["{home}/sign"]
timeout = "60s"
[certificate.mx1]
names = ["mx1.example"]
issuer = "far"
[certificate.mx2]
names = ["mx2.example"]
announce = ["told"]
hold_down = "1h"
[[certificate.mx2.file]]
path = "mx2.pem"
hooks = ["note"]
[certificate.mx3]
names = ["mx3.example"]
[certificate.mx4]
names = ["mx4.example"]
issuer = "slow"
[announce.told]
type = "policy"
path = "told"
check = "http://127.0.0.1:{port}/told"
[peer.thumb]
feed = "http://127.0.0.1:{port}/feed"
key = '{key}'
map = "policy"
[hook.note]
command = ["{home}/note"]
"""
KEY = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'


@pytest.fixture
def server() -> Iterator[Deaf]:
    with deaf() as found:
        yield found


def begin(home: Home, server: Deaf, limit: str) -> None:
    home.script("sign", "touch $HERE/signing; sleep 50")
    home.script("note", 'echo "$CERTCTL_FILES" >>"$HERE/noted"')
    home.config(CONFIG.format(port=server.port, home=home.path, limit=limit, key=KEY))


@pytest.mark.parametrize("command", ["run mx1", "run mx2", "run mx4", "peers sync"])
def test_nobody_waits_for_the_network(home: Home, server: Deaf, command: str) -> None:
    """While a CA, a check URL, a signing program or a feed hangs, other certificates are turned at once."""
    begin(home, server, "60s")
    home("run", "mx3")
    passing = home.start(*command.split())
    try:
        until(lambda: (home / "signing").exists() or server.connections, "it asks outside", 60)
        before = home.certificate("mx3")["current"]["generation"]
        start = time.monotonic()
        home("rotate", "--force", "mx3", "--wait", "0")
        home("renew", "mx3", "--wait", "0")
        assert home.certificate("mx3")["current"]["generation"] == before + 1
        home("rollback", "mx3", "--wait", "0")
        assert time.monotonic() - start < 3 * SOON
        assert home.certificate("mx3")["current"]["generation"] == before
        assert passing.poll() is None, "the pass that hangs has ended, so nothing was shown"
    finally:
        passing.send_signal(signal.SIGKILL)
        passing.wait(10)


def account(home: Home) -> None:
    """Let the issuer far have an account, as far as this host knows."""
    path = accountfile.key_path(str(home / "state/issuers/far"))
    (home / "state/issuers/far").mkdir(mode=0o700)
    accountfile.write_key(path, accountfile.new_key())


@pytest.mark.parametrize("action", ["rollover", "deactivate"])
def test_nobody_waits_for_an_account(home: Home, server: Deaf, action: str) -> None:
    """While a CA is silent about its account, keys are turned at once; others leave that CA alone."""
    begin(home, server, "60s")
    home("run", "mx3")
    account(home)
    passing = home.start("account", action, "far")
    try:
        until(lambda: server.connections, "it asks the CA", 60)
        home("rotate", "--force", "mx3", "--wait", "0")
        assert "another certctl has issuer far in hand" in home("renew", "mx1", "--wait", "0", code=None).text
        for other in ("show", "rollover", "deactivate"):
            ran = home("account", other, "far", "--wait", "0", code=75)
            assert "another certctl has issuer far in hand" in ran.err
        assert passing.poll() is None, "the CA was not waited for, so nothing was shown"
    finally:
        passing.send_signal(signal.SIGKILL)
        passing.wait(10)


def test_account_in_time(home: Home, server: Deaf) -> None:
    """A question about an account ends when the time for others is over."""
    begin(home, server, "2s")
    home("run", "mx3")
    account(home)
    start = time.monotonic()
    assert "no answer within 2s" in home("account", "rollover", "far", code=1).err
    assert time.monotonic() - start < 2 + SOON


def test_in_hand(home: Home, server: Deaf) -> None:
    """What one certctl asks for no other asks for at the same time; after a crash the next one may."""
    begin(home, server, "40s")
    passing = home.start("run", "mx4")
    try:
        until((home / "signing").exists, "the program signs", 60)
        (home / "signing").unlink()
        ran = home("run", "mx4", "--wait", "0")
        assert "another certctl has certificate mx4 in hand" in ran.text
        assert not (home / "signing").exists()
    finally:
        passing.send_signal(signal.SIGKILL)
        passing.wait(10)
    home.edit(f"{home.path}/sign", f"{home.path}/quick")
    home.script("quick", "touch $HERE/signing; exit 1")
    home("run", "mx4", "--wait", "0", code=1)
    assert (home / "signing").exists()


def test_one_deadline(home: Home, server: Deaf) -> None:
    """A pass ends when its time for others is over, with all of them told, and what needs nobody is done."""
    begin(home, server, "3s")
    start = time.monotonic()
    ran = home("run", code=1)
    assert time.monotonic() - start < 3 + SOON + 5
    assert home.lines("noted")
    assert home.certificate("mx3")["state"] == "ok"
    assert "mx1" in ran.err
    assert "mx4" in ran.err


def test_an_answer_that_does_not_fit(home: Home, server: Deaf) -> None:
    """What comes back for a generation that is not current any more is not used; nothing else is lost."""
    begin(home, server, "40s")
    signing = 'touch "$HERE/signing"; until [ -e "$HERE/go" ]; do sleep 0.05; done; exit 1'
    home.script("later", signing)
    home("run", "mx3")
    home("rotate", "--force", "mx3")
    home.edit(f"{home.path}/sign", f"{home.path}/later")
    home.edit('names = ["mx3.example"]\n', 'names = ["mx3.example"]\nissuer = "slow"\n')
    served = home.certificate("mx3")["current"]["generation"]
    passing = home.start("renew", "mx3")
    until((home / "signing").exists, "the program signs", 60)
    home("rollback", "mx3", "--wait", "0", code=None)
    (home / "go").touch()
    passing.wait(60)
    state = home.certificate("mx3")
    assert state["current"]["generation"] != served
    assert state["previous"]["generation"] == served
    assert "another certctl changed it meanwhile" in (home / "err").read_text() + (home / "out").read_text()
