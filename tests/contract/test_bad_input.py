"""Bad input of any kind ends in words and a documented exit code, never in a traceback, and loses no key."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home, write

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
issuer = "private-ca"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[hook.reload]
command = ["true"]
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
"""
STRANGE = ["", "-", "..", "/", "a/../b", "\u00e9", "%s", "$(id)", "a b", "a\nb", "\x1b[2J", "x" * 5000]
COMMANDS = ["plan", "run", "status", "rotate", "renew", "rollback", "fingerprints", "dhparam", "log"]


@pytest.mark.parametrize("command", COMMANDS)
def test_strange_names(home: Home, command: str) -> None:
    """Strange names are no certificates, whatever they hold, and reach no terminal as commands."""
    home.config(CONFIG)
    before = home.snapshot()
    for name in random.Random(command).sample(STRANGE, 4):
        refused = home(command, "--", name, code=2)
        assert "\x1b" not in refused.err
    assert home.snapshot() == before


@pytest.mark.parametrize(
    "args", [["hooks", "run"], ["accept", "mx1"], ["ack", "mx1"], ["fingerprints", "--file"]]
)
def test_strange_arguments(home: Home, args: list[str]) -> None:
    """So do strange hooks, files and peers fail in words."""
    home.config(CONFIG)
    for name in STRANGE[1:8:3]:
        failed = home(*args, *(["--"] if args[-1] != "--file" else []), name, code=None)
        assert failed.code in (1, 2), (args, name)


def test_undecodable_arguments(home: Home) -> None:
    """Bytes that are no text in the current encoding are no traceback."""
    home.config(CONFIG)
    home("status", "\udcff\udcfe", code=2)
    home("--config", "\udcff", "status", code=2)


STATE = ["state/state/mx1.json", "state/hooks.json", "state/dhparams.json", "state/stamps.json"]
STATE += ["state/journal.jsonl", "state/lock"]
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[: len(data) // 2],
    "binary": lambda _: bytes(range(256)),
    "zeros": lambda data: bytes(len(data)),
    "list": lambda _: b"[]",
    "null": lambda _: b"null",
    "deep": lambda _: b"[" * 100_000,
    "other types": lambda data: other_types(data),  # noqa: PLW0108  # it is defined below
}


def other_types(data: bytes) -> bytes:
    """The same keys with values of other types."""
    try:
        document = json.loads(data)
    except ValueError:
        return b'{"at": 5}\n' * 3
    # A version above ours is for the certctl that wrote it, and no damage.
    other = {"version": "5"} if "version" in document else {}
    return json.dumps({**dict.fromkeys(document, 5), **other}).encode()


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_state(home: Home, damage: str) -> None:
    """State files that were cut, emptied or edited lose no key: the next passes serve what was served."""
    home.config(CONFIG)
    home("run")
    served = openssl.served(home / "mx1.pem")
    keys = {path: path.read_bytes() for path in (home / "state/certificates").rglob("*.key")}
    for name in STATE:
        path = home / name
        if path.exists() and not (name.endswith("lock") and damage == "deep"):
            path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for command in ("status", "plan", "fingerprints", "hooks", "log"):
        home(command, code=None)
        home(command, "--json", code=None)
    home("run", code=None)
    home("run", code=None)
    assert openssl.served(home / "mx1.pem") == served
    assert home.pins("current") == [served]
    for path, content in keys.items():
        assert path.read_bytes() == content
    assert home.certificate()["state"] == "ok"
    home("plan", "--check")


def test_damaged_generations(home: Home) -> None:
    """Files of generations that were lost or spoilt are told or replaced, and a matching pair is served."""
    home.config(CONFIG)
    home("run")
    home("rotate", "mx1")
    rng = random.Random(5)
    for path in sorted((home / "state/certificates").rglob("*")):
        if path.is_file() and not path.is_symlink() and rng.random() < 0.5:
            path.chmod(0o600)
            path.write_bytes(b"spoilt")
    for command in ("status", "plan", "fingerprints"):
        home(command, code=None)
    for _ in range(3):
        home("run", code=None)
    labels, blocks = openssl.read(home / "mx1.pem")
    assert labels[:2] == ["KEY", "CERTIFICATE"]
    assert openssl.key_spki(blocks[0]) == openssl.certificate_spki(blocks[1])


@pytest.mark.parametrize("name", ["root.key", "root.pem", "intermediate.key", "intermediate.pem"])
@pytest.mark.parametrize("damage", ["empty", "gone"])
def test_damaged_authority(home: Home, name: str, damage: str) -> None:
    """A private CA whose files were spoilt fails in words, or gets on; what is served stays."""
    home.config(CONFIG)
    home("run")
    before = (home / "mx1.pem").read_bytes()
    path = home / "state/issuers/private-ca" / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"")
    done = home("renew", "mx1", code=None)
    if done.code:
        assert str(path) in done.err or "private-ca" in done.err
        assert (home / "mx1.pem").read_bytes() == before
    _, blocks = openssl.read(home / "mx1.pem")
    assert openssl.key_spki(blocks[0]) == openssl.certificate_spki(blocks[1])


@pytest.mark.parametrize("where", ["state", "state/live", "state/state", "state/certificates", "state/lock"])
def test_strange_things_in_the_state(home: Home, where: str) -> None:
    """A file where a directory should be, or the reverse, is told with its name."""
    home.config(CONFIG)
    path = home / where
    path.parent.mkdir(exist_ok=True)
    if where.endswith("lock"):
        path.mkdir(parents=True)
    else:
        write(path, "x")
    for command in (["run"], ["status"], ["plan"], ["rotate", "mx1"], ["fingerprints"], ["log"]):
        home(*command, code=None)
        home(*command, "--json", code=None)
    failed = home("run", code=1)
    assert str(path) in failed.err


def test_foreign_files_in_the_state(home: Home) -> None:
    """What others put into the state directory is neither read nor removed."""
    home.config(CONFIG)
    home("run")
    strange = ("notes.txt", "certificates/mx1/notes.txt", "certificates/old/1/x", "state/old.json", "live/x")
    for name in strange:
        path = home / "state" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    home("run")
    home("rotate", "mx1")
    home("rotate", "mx1")
    assert len(list(Path(home / "state").rglob("notes.txt"))) == 2
    assert (home / "state/state/old.json").read_text() == "mine"
    home("plan", "--check")


@pytest.mark.parametrize("command", ["fingerprints --file", "accept a"])
def test_files_that_never_end(home: Home, command: str) -> None:
    """A FIFO that nobody writes to, a device without an end and a missing file are refused at once."""
    home.config('certificate.a = {names = ["a.example"], issuer = "c"}\nissuer.c.type = "csr"\n')
    home("run", code=None)
    os.mkfifo(home / "fifo")
    for path, why in (("fifo", "not a regular file"), ("/dev/zero", "not a regular file"), ("no", "no such")):
        refused = home(*command.split(), path, code=1).err
        assert f"cannot read {path}: " in refused
        assert why in refused
