"""Two passes at once, and passes that are told to end: one generation, no child and no scrap left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.contract.home import Home, gone, until

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[hook.reload]
command = ["./reload"]
timeout = "60s"
"""
# A hook that can be held up: it waits as long as the file `go` is missing.
WAITING = 'echo $$ >>"$HERE/pids"\nsleep 300 & echo $! >>"$HERE/pids"\n'
WAITING += 'until [ -e "$HERE/go" ]; do sleep 0.05; done\nkill $!; echo ran >>"$HERE/runs"'


@pytest.fixture
def busy(home: Home) -> Home:
    """A home whose hook waits until the file `go` is there."""
    home.script("reload", WAITING)
    home.config(CONFIG)
    return home


def hook_runs(home: Home) -> None:
    until(lambda: len(home.lines("pids")) == 2, "the hook has started")


def scraps(home: Home) -> list[str]:
    """Names of files that look as if somebody had not ended writing them."""
    return [
        os.path.join(parent, name)
        for parent, directories, files in os.walk(home.path)
        for name in [*directories, *files]
        if "tmp" in name or name.startswith(".certctl")
    ]


def test_locked(busy: Home) -> None:
    """While a pass runs, --wait 0 exits 75 at once, with a hint; who reads or waits gets through."""
    first = busy.start("run")
    hook_runs(busy)
    start = time.monotonic()
    locked = busy("run", "--wait", "0", code=75)
    assert time.monotonic() - start < 5
    assert "lock" in locked.err
    assert busy("rotate", "mx1", "--wait", "0", "--json", code=75).json["error"]
    for command in ("status", "plan", "fingerprints", "hooks", "log"):
        busy(command)
    waiting = subprocess.Popen(
        busy.command("run", "--wait", "30"), cwd=busy.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert waiting.poll() is None
    (busy / "go").touch()
    out, _ = waiting.communicate(timeout=30)
    assert first.wait(30) == 0
    assert waiting.returncode == 0, out
    assert busy.lines("runs") == ["ran"]
    assert len(list((busy / "state/certificates/mx1").iterdir())) == 2


def test_wait_that_ends(busy: Home) -> None:
    """Who has waited in vain exits 75 after the time that was given."""
    first = busy.start("run")
    hook_runs(busy)
    start = time.monotonic()
    busy("run", "--wait", "1", code=75)
    assert 1 <= time.monotonic() - start < 6
    (busy / "go").touch()
    assert first.wait(30) == 0


def test_many_at_once(home: Home) -> None:
    """Several first passes at once make one generation and run the hook once."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(CONFIG)
    passes = [
        subprocess.Popen(home.command("run"), cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(5)
    ]
    for one in passes:
        _, err = one.communicate(timeout=60)
        assert one.returncode == 0, err
    assert home.lines("runs") == ["ran"]
    assert home.certificate()["next"]["generation"] == 2


def test_a_killed_holder(busy: Home) -> None:
    """A pass that was killed leaves no lock, and its hook is run again."""
    first = busy.start("run")
    hook_runs(busy)
    first.kill()
    first.wait(10)
    # kill(9) cannot be caught: what the hook started goes on until somebody ends it.
    pids = [int(line) for line in busy.lines("pids")]
    (busy / "go").touch()
    until(lambda: all(map(gone, pids)), "the hook of the killed pass has ended")
    busy("run", "--wait", "0")
    assert busy.lines("runs") == ["ran"] * 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ended_during_a_hook(busy: Home, how: signal.Signals) -> None:
    """A pass that is told to end takes its hook with it; the next one runs it again."""
    first = busy.start("run")
    hook_runs(busy)
    first.send_signal(how)
    code = first.wait(20)
    assert code in (1, 128 + how, -how)
    assert "Traceback" not in (busy / "err").read_text()
    pids = [int(line) for line in busy.lines("pids")]
    until(lambda: all(map(gone, pids)), "the hook and its child have ended", 10)
    assert scraps(busy) == []
    assert busy.json("status")["hooks"][0]["state"] in ("pending", "failing")
    (busy / "go").touch()
    for _ in range(2):
        if not busy.lines("runs"):
            busy("hooks", "run", "reload")
    assert busy.lines("runs") == ["ran"]
    busy("run")


def children(pid: int) -> list[int]:
    """The processes below a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            child = int(path.parent.name)
            found += [child, *children(child)]
    return found


def cpu(pid: int) -> float:
    """Seconds of processor time of a process; none of one that has ended meanwhile."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def searches(home: Home, pid: int) -> bool:
    """Whether a process has said that it makes DH parameters, and has been at it for a while."""
    said = "making 8192-bit DH parameters" in (home / "err").read_text()
    return said and sum(map(cpu, [pid, *children(pid)])) > 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["run", "dhparam"])
def test_ended_during_a_search(home: Home, how: signal.Signals, command: str) -> None:
    """A search for DH parameters that is told to end leaves no process and no file."""
    home.config('[dhparam.dh]\npath = "dh.pem"\nbits = 8192\n[certificate.mx1]\nnames = ["mx1.example"]\n')
    home("run", "mx1")
    search = home.start(command)
    until(lambda: searches(home, search.pid), "it searches", 60)
    below = children(search.pid)
    # Nobody is kept waiting by a search.
    home("run", "mx1", "--wait", "0")
    home("status")
    search.send_signal(how)
    assert search.wait(20) in (1, 128 + how, -how)
    assert "Traceback" not in (home / "err").read_text()
    until(lambda: all(map(gone, below)), "the search's processes have ended", 10)
    assert not (home / "dh.pem").exists()
    assert scraps(home) == []
    assert home.certificate()["state"] == "ok"


def test_certificates_before_a_search(home: Home) -> None:
    """Certificates and their hooks do not wait for DH parameters, though their names come later."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config('[dhparam.aa]\npath = "dh.pem"\nbits = 8192\n' + CONFIG)
    search = home.start("run")
    until(lambda: home.lines("runs"), "the hook has run")
    assert search.poll() is None
    search.send_signal(signal.SIGINT)
    search.wait(20)
    until(lambda: all(map(gone, children(search.pid))), "all have ended", 10)
