"""daemon: passes at the moments that the plan says, SIGHUP for another configuration, SIGTERM for the end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.contract import openssl
from tests.contract.home import Home, moment, until

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
hold_down = "1s"
rotate_every = "4s"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[hook.reload]
command = ["./reload"]
"""


@contextmanager
def running(home: Home, *args: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the daemon; what a test leaves of it is killed."""
    daemon = home.start("daemon", *args)
    try:
        yield daemon
    finally:
        daemon.kill()
        daemon.wait(10)
        assert "Traceback" not in (home / "err").read_text()


def test_rotates_at_the_planned_moment(home: Home) -> None:
    """The daemon begins with a pass, rotates when it is time, runs the hook, and ends with 0 on SIGTERM."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(CONFIG)
    with running(home) as daemon:
        until((home / "mx1.pem").exists, "the first pass")
        until(lambda: home.lines("runs"), "the hook has run")
        entry = home.certificate()
        first, due = openssl.served(home / "mx1.pem"), moment(entry["rotate_at"])
        announced = entry["next"]["keys"][0]["key_sha256"]
        until(lambda: openssl.served(home / "mx1.pem") != first, "the rotation", 20)
        rotated = home.certificate()
        assert openssl.served(home / "mx1.pem") in (announced, rotated["current"]["keys"][0]["key_sha256"])
        promoted = moment((rotated["previous"] and rotated["current"])["promoted_at"])
        assert (promoted - due).total_seconds() >= 0
        until(lambda: len(home.lines("runs")) >= 2, "the hook has run again")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert home("plan").code == 0


def test_reload(home: Home) -> None:
    """SIGHUP reads the configuration again and runs a pass; a wrong one is told and the old one kept."""
    home.script("reload", "true")
    home.config(CONFIG.replace('"4s"', '"never"'))
    with running(home) as daemon:
        until((home / "mx1.pem").exists, "the first pass")
        home.edit('names = ["mx1.example"]', 'nmes = ["mx1.example"]')
        daemon.send_signal(signal.SIGHUP)
        until(lambda: "nmes" in (home / "err").read_text(), "the fault is told")
        assert daemon.poll() is None
        home.edit('nmes = ["mx1.example"]', 'names = ["mx1.example", "more.example"]')
        daemon.send_signal(signal.SIGHUP)
        until(
            lambda: "more.example" in openssl.names(openssl.read(home / "mx1.pem")[1][1]),
            "the new configuration is obeyed",
        )
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0


def test_ends_after_the_step_in_hand(home: Home) -> None:
    """SIGTERM during a hook lets the hook end, or ends it; the daemon exits 0 and leaves nothing running."""
    home.script("reload", 'echo $$ >"$HERE/pid"; sleep 2; echo ran >>"$HERE/runs"')
    home.config(CONFIG.replace('"4s"', '"never"'))
    with running(home) as daemon:
        until(lambda: home.lines("pid"), "the hook runs")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert home.lines("runs") == ["ran"]


def test_interrupted(home: Home) -> None:
    """Ctrl-C ends an idle daemon without a traceback."""
    home.script("reload", "true")
    home.config(CONFIG.replace('"4s"', '"never"'))
    with running(home) as daemon:
        until((home / "mx1.pem").exists, "the first pass")
        until(lambda: home.json("plan")["steps"] == [], "it is idle")
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(20) in (0, 130, -signal.SIGINT)


def test_wrong_configuration(home: Home) -> None:
    """A daemon with a wrong configuration does not start: exit 2."""
    home.config('[certificate.mx1]\nnames = ["a.example"]\npni = "key"\n')
    assert "pni" in home("daemon", code=2).err


def test_goes_on_after_failures(home: Home) -> None:
    """What fails is tried again by the daemon itself; meanwhile the rest is done, and the daemon lives."""
    home.script("reload", 'echo ran >>"$HERE/runs"; [ -e "$HERE/mended" ]')
    home.config(CONFIG.replace('"4s"', '"never"'))
    with running(home) as daemon:
        until(lambda: home.lines("runs"), "the hook has failed")
        (home / "mended").touch()
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
    assert "reload" in (home / "err").read_text()


def test_shares_the_lock(home: Home) -> None:
    """Commands work beside an idle daemon, which holds no lock then."""
    home.script("reload", "true")
    home.config(CONFIG.replace('"4s"', '"never"'))
    with running(home) as daemon:
        until((home / "mx1.pem").exists, "the first pass")
        before = openssl.served(home / "mx1.pem")
        until(lambda: home.json("plan")["steps"] == [], "it is idle")
        home("rotate", "mx1", "--force", "--wait", "5")
        assert openssl.served(home / "mx1.pem") != before
        assert daemon.poll() is None
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.wait(20) == 0
