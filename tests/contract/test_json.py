"""With --json there is one JSON document on standard output and nothing else, whatever happens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.home import PRINT, TIME, Home, write

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
require_ack = ["peer.example"]
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["noisy"]
[certificate.asked]
names = ["asked.example"]
issuer = "person"
[issuer.person]
type = "csr"
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
[hook.noisy]
command = ["sh", "-c", "echo to stdout; echo to stderr >&2"]
"""


def document(out: str) -> Any:
    """Parse standard output: an object, its version, and not a byte beside it."""
    found = json.loads(out)
    assert isinstance(found, dict)
    assert found["version"] == 1
    return found


def check_values(value: Any, key: str = "") -> None:
    """Every time of a document is RFC 3339 in UTC, every fingerprint upper-case pairs with colons."""
    if isinstance(value, dict):
        for name, inner in value.items():
            check_values(inner, name)
    elif isinstance(value, list):
        for inner in value:
            check_values(inner, key)
    elif isinstance(value, str):
        if key in ("at", "until", "now", "not_before", "not_after", "last_run") or key.endswith("_at"):
            assert TIME.fullmatch(value), (key, value)
        if re.fullmatch(r"\d{4}-\d\d-\d\d[T ].*", value):
            assert TIME.fullmatch(value), (key, value)
            assert value.endswith("Z"), (key, value)
        if key in ("key_sha256", "certificate_sha256", "fingerprint"):
            assert PRINT.fullmatch(value), (key, value)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which a pass has been run."""
    path = tmp_path_factory.mktemp("json") / "home"
    path.mkdir()
    home = Home(path)
    home.config(CONFIG)
    check_values(document(home("run", "--json").out))
    home("rotate", "mx1", "--force")
    return home


COMMANDS = [
    ["plan"],
    ["plan", "--check"],
    ["plan", "mx1"],
    ["status"],
    ["status", "mx1"],
    ["fingerprints"],
    ["fingerprints", "mx1", "--slot", "all", "--format", "policy"],
    ["fingerprints", "--file", "mx1.pem"],
    ["hooks"],
    ["hooks", "list"],
    ["hooks", "run", "noisy"],
    ["dhparam"],
    ["dhparam", "dh"],
    ["log"],
    ["log", "mx1"],
    ["run"],
    ["run", "mx1"],
    ["run", "-q"],
    ["run", "-v"],
    ["renew", "mx1"],
    ["rotate", "mx1"],
    ["ack", "mx1", "peer.example"],
    ["rotate", "mx1", "--force", "--yes"],
    ["rotate", "mx1", "--abort"],
    ["rollback", "mx1"],
    ["init", "--dir", "new"],
    ["systemd"],
]


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_every_command(ran: Home, args: list[str]) -> None:
    """Every command prints one document, with --json before it as well as after it."""
    after = ran(*args, "--json", code=None)
    assert after.code in (0, 3), after
    check_values(document(after.out))
    if args[0] != "init":
        before = ran("--json", *args, code=None)
        check_values(document(before.out))


FAILING = [
    (["plan", "nobody"], 2),
    (["status", "nobody"], 2),
    (["run", "nobody"], 2),
    (["rotate", "nobody"], 2),
    (["rotate"], 2),
    (["renew", "nobody"], 2),
    (["rollback", "asked"], None),
    (["fingerprints", "nobody"], 2),
    (["fingerprints", "--file", "nowhere.pem"], None),
    (["fingerprints", "--slot", "last"], 2),
    (["ack", "mx1", "stranger.example"], None),
    (["accept", "asked", "nowhere.pem"], None),
    (["accept", "asked", "certctl.toml"], None),
    (["hooks", "run", "nobody"], 2),
    (["dhparam", "nobody"], 2),
    (["log", "nobody"], None),
    (["--config", "nowhere.toml", "status"], 2),
    (["bogus"], 2),
    (["plan", "--bogus"], 2),
    (["run", "--wait", "soon"], 2),
]


@pytest.mark.parametrize(("args", "code"), FAILING, ids=[" ".join(args) for args, _ in FAILING])
def test_every_failure(ran: Home, args: list[str], code: int | None) -> None:
    """A failure is a document, too, beside the words on standard error."""
    failed = ran(*args, "--json", code=None)
    assert failed.code == code or (code is None and failed.code in (1, 2)), failed
    found = document(failed.out)
    assert "error" in json.dumps(found)
    assert "certctl: error: " in failed.err


def test_faults_of_the_configuration(home: Home) -> None:
    """Every fault of a configuration is in the document."""
    home.config('colour = 1\n[certificate.mx1]\nnames = ["a.example"]\npni = "key"\n')
    failed = home("run", "--json", code=2)
    document(failed.out)
    assert "colour" in failed.out
    assert "pni" in failed.out


def test_what_fails_in_a_pass(home: Home) -> None:
    """Failing hooks, issuers and files leave one document, with what failed and what was done."""
    home.script("sign", "echo rubbish; echo more rubbish >&2; exit 4")
    home.config(
        """
        [issuer.bad]
        type = "command"
        command = ["./sign"]
        [certificate.bad]
        names = ["bad.example"]
        issuer = "bad"
        [certificate.good]
        names = ["good.example"]
        [[certificate.good.file]]
        path = "missing/good.pem"
        [[certificate.good.file]]
        path = "good.pem"
        hooks = ["loud"]
        [hook.loud]
        command = ["sh", "-c", "echo loud; echo louder >&2; exit 9"]
        """
    )
    failed = home("run", "--json", code=1)
    found = document(failed.out)
    check_values(found)
    assert ("issue", "good") in [(step["kind"], step["subject"]) for step in found["steps"]]
    text = json.dumps(found)
    for subject in ("bad", "missing/good.pem", "loud"):
        assert subject in text
    again = home("run", "--json", code=None)
    document(again.out)


def test_no_command(home: Home) -> None:
    """Without a command there is a document all the same."""
    document(home("--json", code=None).out)
    document(home("--version", "--json").out)


def test_a_daemon_prints_none(home: Home) -> None:
    """A daemon that cannot start prints its error as a document."""
    document(home("daemon", "--json", code=2).out)


def test_unwritable_state(home: Home, tmp_path: Path) -> None:
    """A state directory that cannot be made is an error of the pass, in a document."""
    write(home / "file", "")
    write(home / "certctl.toml", 'state_dir = "file/state"\n[certificate.mx1]\nnames = ["a.example"]\n')
    for command in ("run", "plan", "status"):
        result = home(command, "--json", code=None)
        document(result.out)
        assert str(home / "file") in result.text
    home("run", code=1)
