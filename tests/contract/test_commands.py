"""Options before and after commands, names that do not exist, exit codes and silence."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.contract.home import Home, environment

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
[certificate.mx2]
names = ["mx2.example"]
[[certificate.mx2.file]]
path = "mx2.pem"
hooks = ["reload"]
[hook.reload]
command = ["true"]
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
"""
NAMES = ["init", "plan", "run", "daemon", "rotate", "renew", "rollback", "status", "fingerprints", "ack"]
NAMES += ["hooks", "dhparam", "accept", "log"]


@pytest.mark.parametrize("name", NAMES)
def test_help(home: Home, name: str) -> None:
    """Every command explains itself, with the global options, on standard output."""
    shown = home(name, "--help")
    assert shown.err == ""
    for option in ("--config FILE", "--json", "-v", "-q", "--version"):
        assert option in shown.out
    assert f"certctl {name}" in shown.out


def test_help_lists_commands(home: Home) -> None:
    """certctl --help names every command and the exit codes."""
    shown = home("--help").out
    for name in NAMES:
        assert re.search(rf"^ +{name}\b", shown, re.MULTILINE), name
    for code in ("0 ", "1 ", "2 ", "3 ", "75 "):
        assert code in shown


@pytest.mark.parametrize("args", ["--version", "status --version", "--version run", "-q --version"])
def test_version(home: Home, args: str) -> None:
    """--version prints the version before and after a command, and does nothing else."""
    assert re.fullmatch(r"certctl \d+\.\d+\.\d+\S*\n", home(*args.split()).out)
    assert list(home.path.iterdir()) == []


def test_options_on_both_sides(home: Home) -> None:
    """The global options mean the same before and after the command."""
    home.config(CONFIG)
    (home / "certctl.toml").rename(home / "other.toml")
    assert home("--config", "other.toml", "--json", "status").json["certificates"]
    assert home("status", "--config", "other.toml", "--json").json["certificates"]
    assert home("--json", "status", "--config", "other.toml").json["certificates"]
    assert home("--config", "other.toml", "-q", "run").text == ""
    assert home("run", "-q", "--config", "other.toml").text == ""
    assert home("run", "-v", "--config", "other.toml").err
    assert home("-v", "--config", "other.toml", "run").err


def test_a_file_called_like_a_command(home: Home) -> None:
    """The value of --config is not taken for the command."""
    home.config(CONFIG)
    (home / "certctl.toml").rename(home / "run")
    before = home.snapshot()
    assert home("--config", "run", "status", "--json").json["certificates"]
    assert home.snapshot() == before


@pytest.mark.parametrize(
    "args",
    [
        ["bogus"],
        ["plan", "--bogus"],
        ["rotate"],
        ["renew"],
        ["rollback"],
        ["rollback", "mx1", "mx2"],
        ["ack", "mx1"],
        ["accept", "mx1"],
        ["hooks", "bogus"],
        ["hooks", "run"],
        ["rotate", "mx1", "--force", "--abort"],
        ["run", "--wait", "x"],
        ["run", "--wait", "-1"],
        ["run", "--wait", "nan"],
        ["run", "--wait"],
        ["--config"],
        ["fingerprints", "--format", "xml"],
        ["fingerprints", "--digest", "sha3"],
        ["fingerprints", "--of", "chain"],
        ["status", ""],
        ["log", "-n", "x"],
    ],
    ids=" ".join,
)
def test_usage(home: Home, args: list[str]) -> None:
    """What is no command line exits 2, in words, and nothing is made."""
    home.config(CONFIG)
    refused = home(*args, code=2)
    assert refused.err.startswith("certctl: error: ")
    assert refused.out == ""
    assert not (home / "state").exists()


NAMING = ["plan", "run", "status", "rotate", "renew", "rollback", "fingerprints", "dhparam", "hooks run"]


@pytest.mark.parametrize("name", NAMING)
def test_names_that_do_not_exist(home: Home, name: str) -> None:
    """A name that is not configured exits 2 with the nearest one, before anything is done."""
    home.config(CONFIG)
    near = "dhh" if name == "dhparam" else "relaod" if name == "hooks run" else "mx11"
    refused = home(*name.split(), near, code=2)
    assert near in refused.err
    assert {"dhh": "dh", "relaod": "reload", "mx11": "mx1"}[near] in refused.err
    assert not (home / "state").exists()
    if name in ("plan", "run", "status", "rotate", "renew", "fingerprints"):
        home(*name.split(), "mx1", near, code=2)
        assert not (home / "state").exists()


def test_run_of_one(home: Home) -> None:
    """run NAME does what that name needs, and leaves the others."""
    home.config(CONFIG)
    assert {subject for _, subject in home.steps("mx2")} == {"mx2", "reload"}
    home("run", "mx2")
    assert (home / "mx2.pem").exists()
    assert not (home / "dh.pem").exists()
    states = {entry["name"]: entry["state"] for entry in home.json("status")["certificates"]}
    assert states == {"mx1": "new", "mx2": "ok"}
    assert [entry["name"] for entry in home.json("status", "mx2")["certificates"]] == ["mx2"]
    home("plan", "mx2", "--check")
    home("plan", "--check", code=3)
    home("run", "mx1", "mx2")
    home("plan", "mx1", "mx2", "--check")


def test_quiet(home: Home) -> None:
    """run -q is silent when nothing happened and nothing failed, and not when something failed."""
    home.config(CONFIG)
    assert home("run", "-q").text == ""
    assert home("run", "-q").text == ""
    home.edit('command = ["true"]', 'command = ["false"]')
    (home / "mx2.pem").unlink()
    failed = home("run", "-q", code=1)
    assert "reload" in failed.err
    assert failed.out == ""
    waiting = home("run", "-q", code=1)
    assert "held until" in waiting.err
    assert "hook reload: failed" in waiting.err
    assert waiting.out == ""
    assert "hook reload ended with exit status 1" in home("hooks", "run", "reload", "-q", code=1).err
    home.edit('names = ["mx1.example"]', 'names = ["mx1.example"]\nhold_down = "1h"')
    forced = home("rotate", "mx1", "--force", "-q", code=None)
    assert "certctl: warning: mx1: whoever pins it by hand breaks" in forced.err


def test_messages_go_to_standard_error(home: Home) -> None:
    """A pass tells of its steps on standard error, without any terminal's tricks in a pipe."""
    home.config(CONFIG)
    ran = home("run")
    assert ran.out == ""
    assert "\r" not in ran.err
    assert "\x1b" not in ran.err
    assert "mx1" in ran.err
    assert "\x1b" not in home("status").text


def test_standard_output_that_is_gone(home: Home) -> None:
    """A reader that left, or a full disk behind standard output, is no traceback."""
    home.config(CONFIG)
    home("run")
    for command in ("status", "plan", "fingerprints", "log", "hooks", "--help", "--version"):
        reader, writer = os.pipe()
        os.close(reader)
        with open("/dev/full", "wb") as full:
            for out in (writer, full):
                done = subprocess.run(
                    home.command(command),
                    cwd=home.path,
                    env=environment(),
                    stdout=out,
                    stderr=subprocess.PIPE,
                )
                assert b"Traceback" not in done.stderr, done.stderr
                assert b"Exception" not in done.stderr, done.stderr
                assert done.returncode in (0, 1), (command, done)
                if out is full:
                    assert done.returncode == 1, command
                    assert b"certctl: error: " in done.stderr
        os.close(writer)
