"""The process itself: which modules it loads as root, and that no core dump has keys in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.home import Home


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is kept from modules of its environment")
@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONSTARTUP"])
def test_modules_of_the_environment(tmp_path: Path, variable: str) -> None:
    """The console script loads nothing that PYTHONPATH, PYTHONSTARTUP or the current directory hold."""
    evil = tmp_path / "evil"
    evil.mkdir()
    for name in ("argparse.py", "json.py", "tomllib.py", "start.py"):
        (evil / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'a').close()\nraise SystemExit(9)\n")
    script = tmp_path / "certctl"
    script.write_text("import sys\nfrom certctl.start import main\nsys.exit(main())\n")
    value = str(evil / "start.py") if variable == "PYTHONSTARTUP" else str(evil)
    done = subprocess.run(
        [sys.executable, str(script), "--version"],
        env={"PATH": os.environ["PATH"], variable: value},
        cwd=evil,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith("certctl "), done.stderr
    assert not (tmp_path / "ran").exists()


def test_no_core_dumps(tmp_path: Path) -> None:
    """While a pass runs, its soft limit for core dumps is 0, whatever it was started with."""
    home = Home(tmp_path, ("sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', "sh"))
    home.script("hook", 'grep "^Max core" /proc/$PPID/limits >"$HERE/limits"')
    home.config('certificate.a = {names = ["a.example"], hooks = ["h"]}\nhook.h.command = ["./hook"]\n')
    home("run")
    assert (home / "limits").read_text().split()[4] == "0"


LOST = """\
import os, signal, sys
from certctl.cli import ending, main

class Lost:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        os.getpid()

ending.on(signal.SIGTERM)
Lost()
sys.exit(main.main(sys.argv[1:]))
"""


def test_signal_that_gets_lost(home: Home) -> None:
    """A SIGTERM that arrives where Python drops exceptions ends the pass before its next step."""
    home.config('certificate.a.names = ["a.example"]\n')
    done = subprocess.run(
        [sys.executable, "-c", LOST, "run"], cwd=home.path, capture_output=True, text=True, timeout=60
    )
    assert "Exception ignored" in done.stderr
    assert done.returncode == 128 + signal.SIGTERM
    assert "certctl: error: ended by a signal" in done.stderr
    assert not list((home / "state").glob("certificates/*/*"))
    home("run")
