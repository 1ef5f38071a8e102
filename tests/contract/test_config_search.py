"""Which certctl.toml is read, and what its relative paths are relative to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.home import Home, environment, write
from tests.real.servers import require


def named(path: Path, name: str) -> Path:
    """Write a configuration that can be told by its certificate's name."""
    path.parent.mkdir(exist_ok=True)
    write(path, f'state_dir = "state"\n[certificate.{name}]\nnames = ["{name}.example"]\n')
    return path


def used(home: Home, *args: str, env: dict[str, str] | None = None) -> str:
    """The certificate that a command sees."""
    return str(home("status", "--json", *args, env=env).json["certificates"][0]["name"])


def test_order(home: Home) -> None:
    """--config comes before $CERTCTL_CONFIG, which comes before ./certctl.toml."""
    option = named(home / "option.toml", "option")
    variable = named(home / "variable.toml", "variable")
    named(home / "certctl.toml", "here")
    assert used(home) == "here"
    assert used(home, env={"CERTCTL_CONFIG": str(variable)}) == "variable"
    assert used(home, "--config", str(option), env={"CERTCTL_CONFIG": str(variable)}) == "option"
    assert used(home, "--config", "option.toml") == "option"
    assert used(home, "--config=option.toml") == "option"
    assert used(home, env={"CERTCTL_CONFIG": "variable.toml"}) == "variable"


def test_the_system_s_file_is_last(home: Home) -> None:
    """/etc/certctl/certctl.toml is read where nothing nearer is, and only then."""
    require.root("a mount over /etc")
    etc = home / "etc"
    named(etc / "certctl.toml", "system")
    named(home / "certctl.toml", "here")
    (home / "empty").mkdir()
    script = (
        f'mkdir -p "{home.path}/up" "{home.path}/work" && mount -t tmpfs none "{home.path}/up" &&'
        f'mkdir "{home.path}/up/u" "{home.path}/up/w" && mount -t overlay none /etc '
        f'-o lowerdir=/etc,upperdir="{home.path}/up/u",workdir="{home.path}/up/w" || exit 77;'
        f'mkdir -p /etc/certctl && cp "{etc}/certctl.toml" /etc/certctl/ && cd "$1" && shift && exec "$@"'
    )
    seen = []
    for directory in (home / "empty", home.path):
        status = home.command("status", "--json")
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(directory), *status]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)
        if done.returncode == 77:
            pytest.skip(f"no overlay can be mounted here ({done.stderr.strip()})")
        assert done.returncode == 0, done.stderr
        seen.append("system" if '"system"' in done.stdout else "here")
    assert seen == ["system", "here"]


def test_nothing_there(home: Home) -> None:
    """A file that is not there is an error of the configuration, with what to type."""
    missing = home("plan", "--config", "nope.toml", code=2)
    assert str(home / "nope.toml") in missing.err
    assert "certctl init" in missing.err
    variable = home("plan", env={"CERTCTL_CONFIG": str(home / "gone.toml")}, code=2)
    assert str(home / "gone.toml") in variable.err
    if not os.path.exists("/etc/certctl/certctl.toml"):
        nowhere = home("plan", code=2)
        assert "/etc/certctl/certctl.toml" in nowhere.err
        assert "certctl init" in nowhere.err


def test_an_empty_variable_is_none(home: Home) -> None:
    """CERTCTL_CONFIG= in a crontab names no file."""
    named(home / "certctl.toml", "here")
    assert used(home, env={"CERTCTL_CONFIG": ""}) == "here"


def test_relative_to_the_file(home: Home) -> None:
    """Every relative path is relative to the file, from whatever directory certctl is run."""
    conf = home / "conf"
    conf.mkdir()
    (conf / "out").mkdir()
    home.script("conf/hooks/looked-up", 'echo looked-up >>"$HERE/ran"')
    home.script("conf/bin/reload", 'echo table >>"$HERE/ran"')
    write(conf / "watched", "1")
    write(
        conf / "certctl.toml",
        """state_dir = "var/../state"
        hooks_dir = "hooks"
        [certificate.mx1]
        names = ["mx1.example"]
        [[certificate.mx1.file]]
        path = "out/mx1.pem"
        hooks = ["looked-up"]
        [dhparam.dh]
        path = "out/dh.pem"
        source = "ffdhe"
        [watch.map]
        paths = ["watched"]
        hooks = ["reload"]
        [hook.reload]
        command = ["bin/reload"]
        """,
    )
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    home("run", "--config", "../conf/certctl.toml", cwd=elsewhere)
    assert (conf / "out/mx1.pem").exists()
    assert (conf / "out/dh.pem").exists()
    assert (conf / "state/live/mx1/bundle.pem").exists()
    assert sorted(home.lines("ran")) == ["looked-up", "table"]
    assert list(elsewhere.iterdir()) == []
    home("plan", "--check", "--config", str(conf / "certctl.toml"), cwd=Path("/"))
