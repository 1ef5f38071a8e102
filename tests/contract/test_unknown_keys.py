"""A key that is served and that the state does not have: never replaced unasked, easily taken over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "0s"
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["count"]
[hook.count]
command = ["./count"]
"""


@pytest.fixture
def served(home: Home) -> Home:
    """A host at rest that has rotated once: generation 2 is served."""
    (home / "tls").mkdir()
    home.script("count", 'echo run >> "$HERE/runs"')
    home.config(CONFIG)
    home("run")
    home("rotate", "mx1")
    assert home.certificate()["current"]["generation"] == 2
    return home


def _emptied(home: Home) -> None:
    shutil.rmtree(home / "state")


def _unmounted(home: Home) -> None:
    for entry in (home / "state").iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _mistyped(home: Home) -> None:
    home.edit('state_dir = "state"', 'state_dir = "stale"')


def _renamed(home: Home) -> None:
    text = (home / "certctl.toml").read_text()
    (home / "certctl.toml").write_text(text.replace("certificate.mx1", "certificate.mail"))


def _lineage_lost(home: Home) -> None:
    (home / "state/state/mx1.json").unlink()
    shutil.rmtree(home / "state/certificates/mx1")
    (home / "state/live/mx1").unlink()


LOST: dict[str, Callable[[Home], None]] = {
    "state directory removed": _emptied,
    "state directory empty": _unmounted,
    "state directory mistyped": _mistyped,
    "certificate renamed in the configuration": _renamed,
    "one state file and its generations lost": _lineage_lost,
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
def test_a_served_key_outlives_its_state(
    served: Home, lose: Callable[[Home], None], record_property: Callable[[str, object], None]
) -> None:
    """Whatever happened to the state, the served file stays as it is, no hook runs, and a person is asked."""
    before, runs = (served / "tls/mx1.pem").read_bytes(), served.lines("runs")
    lose(served)
    name = "mail" if lose is _renamed else "mx1"
    for command in (["run"], ["run"], ["rotate", "--force", name], ["renew", name]):
        result = served(*command, code=1)
        assert "holds a key that the state does not have" in result.err
        assert f"certctl run --replace-unknown-keys {name}" in result.err
        assert (served / "tls/mx1.pem").read_bytes() == before
    (hold,) = served.json("plan")["holds"]
    assert (hold["kind"], hold["subject"], hold["until"]) == ("write", name, None)
    found = served.certificate(name)
    assert found["state"] == "failing"
    assert "the state does not have" in found["last_error"]
    assert served.lines("runs") == runs
    record_property("lost-state cases", 1)


@pytest.mark.parametrize("lose", [lose for lose in LOST.values() if lose is not _renamed])
def test_the_key_is_taken_over(served: Home, lose: Callable[[Home], None]) -> None:
    """`import pem FILE` makes the served key the current one again; the file is not touched."""
    before, pins = (served / "tls/mx1.pem").read_bytes(), served.pins("current")
    lose(served)
    served("run", code=1)
    served("import", "pem", "tls/mx1.pem")
    served("run")
    assert (served / "tls/mx1.pem").read_bytes() == before
    assert served.pins("current") == pins
    assert served.steps() == []


def test_a_key_is_given_up_by_name_only(served: Home) -> None:
    """--replace-unknown-keys NAME replaces the key, keeps a copy of it, and nothing else implies it."""
    before, pins = (served / "tls/mx1.pem").read_bytes(), served.pins("current")
    _emptied(served)
    served("run", "--replace-unknown-keys", "mx2", code=2)
    served("run", "mx1", code=1)
    assert (served / "tls/mx1.pem").read_bytes() == before
    served("run", "--replace-unknown-keys", "mx1")
    assert served.pins("current") != pins
    assert openssl.key_pin((served / "tls/mx1.pem").read_text()) == served.pins("current")[0]
    (kept,) = (served / "state/certificates/mx1").glob("mx1.pem.replaced-*")
    assert kept.read_bytes() == before
    assert kept.stat().st_mode & 0o777 == 0o600
    served("run")


def test_a_hand_written_configuration_spares_an_existing_key(home: Home) -> None:
    """The path of a key pair that Postfix uses already is no invitation to replace it."""
    (home / "tls").mkdir()
    openssl.key_pair(home / "tls/mx1.pem")
    before = (home / "tls/mx1.pem").read_bytes()
    home.script("count", 'echo run >> "$HERE/runs"')
    home.config(CONFIG)
    home("run", code=1)
    assert (home / "tls/mx1.pem").read_bytes() == before
    home("import", "pem", "tls/mx1.pem")
    home("run")
    assert openssl.key_pin((home / "tls/mx1.pem").read_text()) == home.pins("current")[0]
    assert home.certificate()["current"]["generation"] == 1


def test_a_key_put_in_place_by_hand(served: Home) -> None:
    """Another key in the file holds what would replace it; live/NAME and other files are served on."""
    (served / "other").mkdir()
    one, other = 'path = "tls/mx1.pem"', 'path = "other/mx1.pem"'
    served.edit(one, f"{other}\n[[certificate.mx1.file]]\n{one}")
    openssl.key_pair(served / "tls/mx1.pem")
    before = (served / "tls/mx1.pem").read_bytes()
    served("renew", "mx1", code=1)
    assert (served / "tls/mx1.pem").read_bytes() == before
    bundle = (served / "state/live/mx1/bundle.pem").read_bytes()
    assert (served / "other/mx1.pem").read_bytes() == bundle
    served("rotate", "--force", "mx1", code=1)
    assert served.certificate()["current"]["generation"] == 2


def test_an_encrypted_key_is_not_replaced(home: Home) -> None:
    """What cannot be looked into may be in use."""
    (home / "tls").mkdir()
    openssl.key_pair(home / "tls/mx1.pem", passphrase="secret")
    before = (home / "tls/mx1.pem").read_bytes()
    home.script("count", "true")
    home.config(CONFIG)
    assert "encrypted key" in home("run", code=1).err
    assert (home / "tls/mx1.pem").read_bytes() == before


def test_a_damaged_key_is_repaired(served: Home) -> None:
    """A file whose key is damaged serves nobody: it is written anew, as ever."""
    path = served / "tls/mx1.pem"
    good = path.read_bytes()
    block = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    for bad in (good[:100], good.replace(b"M", b"N", 3), block):
        path.write_bytes(bad)
        served("run")
        assert path.read_bytes() == good


def test_an_older_state_that_knows_the_key_follows_what_is_served(served: Home, tmp_path: Path) -> None:
    """The state came back from before a rotation: the key in the file is made the current one again."""
    shutil.copytree(served / "state", tmp_path / "backup", symlinks=True)
    served("rotate", "mx1")
    pins, before = served.pins("current"), (served / "tls/mx1.pem").read_bytes()
    _emptied(served)
    shutil.copytree(tmp_path / "backup", served / "state", symlinks=True)
    served("run")
    assert served.pins("current") == pins
    assert openssl.key_pin((served / "tls/mx1.pem").read_text()) == pins[0]
    assert openssl.key_pin(before.decode()) == pins[0]
    served("run")


def test_an_older_state_that_does_not_know_the_key_asks(served: Home, tmp_path: Path) -> None:
    """The state came back from two rotations ago: what is served stays, and a person is asked."""
    shutil.copytree(served / "state", tmp_path / "backup", symlinks=True)
    for _ in range(2):
        served("rotate", "mx1")
    before = (served / "tls/mx1.pem").read_bytes()
    _emptied(served)
    shutil.copytree(tmp_path / "backup", served / "state", symlinks=True)
    assert "the state does not have" in served("run", code=1).err
    assert (served / "tls/mx1.pem").read_bytes() == before


def test_the_announced_pins_stay_while_a_key_is_unknown(home: Home) -> None:
    """With the state lost nothing that was announced is taken back, and nothing new is told in its place."""
    (home / "tls").mkdir()
    home.script("count", "true")
    announced = CONFIG.replace('hold_down = "0s"', 'announce = ["lines"]\nhold_down = "0s"')
    home.config(announced + '[announce.lines]\ntype = "policy"\npath = "policy"\n')
    home("run")
    told = (home / "policy").read_bytes()
    shutil.rmtree(home / "state")
    home("run", code=1)
    assert (home / "policy").read_bytes() == told


OTHERS = {
    "policy": '[announce.lines]\ntype = "policy"\npath = "tls/mine.pem"\n',
    "dhparam": '[dhparam.dh]\npath = "tls/mine.pem"\nsource = "ffdhe"\n',
}


@pytest.mark.parametrize("table", OTHERS.values(), ids=OTHERS)
def test_no_other_file_replaces_a_key(home: Home, table: str) -> None:
    """A path that is mistyped costs no key, whatever is to be written there."""
    (home / "tls").mkdir()
    openssl.key_pair(home / "tls/mine.pem")
    before = (home / "tls/mine.pem").read_bytes()
    home.script("count", "true")
    announced = CONFIG.replace('hold_down = "0s"', 'announce = ["lines"]' if "lines" in table else "")
    home.config(announced + table)
    assert f"{home.path}/tls/mine.pem holds a private key, and is not replaced" in home("run", code=1).err
    assert (home / "tls/mine.pem").read_bytes() == before
    assert (home / "tls/mx1.pem").exists()
