"""What is wrong with a configuration is said at once, by file, table and key, and nothing else happens."""

from __future__ import annotations

import os

import pytest

from tests.contract.home import HEADER, Home, write
from tests.real.servers import require

WRONG = """
state_dri = "x"
colour = 3
[certificat.mx9]
names = ["a.example"]
[issuer.ours]
type = "private_ca"
[issuer.le]
type = "acme"
directory = "letsencrypt"
[certificate.mx1]
hold_dwn = "5s"
keys = ["ecdsa-p265"]
issuer = "ourz"
announce = ["partnerz"]
validity = "5 days"
pin = "keys"
on_failed_probe = "rolback"
[[certificate.mx1.file]]
pth = "x.pem"
parts = ["cert", "chian"]
[dhparam.dh]
path = "dh.pem"
bits = 1024
source = "generated"
[watch.w]
pathz = ["x"]
hooks = ["x"]
[hook.x]
command = ["true"]
timeout = "30"
[announce.partners]
type = "fed"
[peer."p.example"]
fed = "x"
"""
# Where it is, what is wrong, and the nearest thing that is known.
FAULTS = [
    ("", "state_dri", "state_dir"),
    ("", "colour", ""),
    ("certificat", "", "certificate"),
    ("issuer.ours", "private_ca", "private-ca"),
    ("issuer.le", "agree_tos", ""),
    ("certificate.mx1", "names", ""),
    ("certificate.mx1", "hold_dwn", "hold_down"),
    ("certificate.mx1", "ecdsa-p265", "ecdsa-p256"),
    ("certificate.mx1", "ourz", "ours"),
    ("certificate.mx1", "partnerz", "partners"),
    ("certificate.mx1", "5 days", ""),
    ("certificate.mx1", "keys", "key"),
    ("certificate.mx1", "rolback", "rollback"),
    ("certificate.mx1.file", "pth", "path"),
    ("certificate.mx1.file", "chian", "chain"),
    ("dhparam.dh", "bits", ""),
    ("dhparam.dh", "generated", "generate"),
    ("watch.w", "pathz", "paths"),
    ("hook.x", "timeout", ""),
    ("announce.partners", "fed", "feed"),
    ('peer."p.example"', "fed", "feed"),
]


def test_all_at_once(home: Home) -> None:
    """Every fault has a line with the file, the table and the key, and the nearest known word."""
    write(home / "certctl.toml", WRONG)
    lines = home("plan", code=2).err.splitlines()
    for table, word, nearest in FAULTS:
        fitting = [
            line
            for line in lines
            if str(home / "certctl.toml") in line
            and (f"[{table}" in line if table else "[" not in line.split(": ", 3)[-1].split('"')[0])
            and word in line
            and (f'did you mean "{nearest}"' in line or f"did you mean [{nearest}" in line or not nearest)
        ]
        assert fitting, (table, word, nearest, lines)
    assert sorted(os.listdir(home.path)) == ["certctl.toml"]


COMMANDS = [
    ["plan"],
    ["plan", "--check"],
    ["run"],
    ["run", "-q"],
    ["status"],
    ["rotate", "mx1"],
    ["rotate", "mx1", "--abort"],
    ["renew", "mx1"],
    ["rollback", "mx1"],
    ["fingerprints"],
    ["ack", "mx1", "p"],
    ["accept", "mx1", "certctl.toml"],
    ["hooks"],
    ["hooks", "run", "x"],
    ["dhparam"],
    ["log"],
    ["daemon"],
]


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_every_command_refuses(home: Home, args: list[str]) -> None:
    """No command works with a configuration that is wrong: each says so and exits 2."""
    home.config('[certificate.mx1]\nnames = ["a.example"]\npni = "key"\n')
    refused = home(*args, code=2)
    assert f"{home / 'certctl.toml'}" in refused.err
    assert "[certificate.mx1]" in refused.err
    assert 'did you mean "pin"' in refused.err
    assert refused.out == ""
    assert not (home / "state").exists()


SYNTAX = {
    "toml": b'state_dir = "x\n',
    "twice": b"[certificate.a]\nnames=['a.example']\n[certificate.a]\nnames=['a.example']\n",
    "latin-1": b'state_dir = "\xe9"\n',
    "nul": b'state_dir = "a\x00b"\n',
    "binary": bytes(range(256)),
    "nested": b"a = " + b"[" * 5000,
}


@pytest.mark.parametrize("what", SYNTAX)
def test_no_toml(home: Home, what: str) -> None:
    """A file that is no TOML is an error with the file's name."""
    (home / "certctl.toml").write_bytes(SYNTAX[what])
    assert str(home / "certctl.toml") in home("run", code=2).err


def test_no_file(home: Home) -> None:
    """A directory in place of the configuration is an error with its name."""
    (home / "certctl.toml").mkdir()
    assert str(home / "certctl.toml") in home("plan", code=2).err


def test_empty_file(home: Home) -> None:
    """Nothing configured is nothing to do."""
    home.config("")
    assert home.json("plan")["steps"] == []
    home("plan", "--check")
    home("run")
    assert home("run", "-q").text == ""
    assert home.json("status")["certificates"] == []


VALUES = {
    "a duration without a unit": ('hold_down = "90"', "hold_down"),
    "a number for a duration": ("hold_down = 90", "hold_down"),
    "a negative duration": ('hold_down = "-5s"', "hold_down"),
    "no names": ("names = []", "names"),
    "a name with a slash": ('names = ["a/b"]', "a/b"),
    "an empty name": ('names = [""]', "names"),
    "a newline in a name": ('names = ["a.example\\nb"]', "names"),
    "no keys": ("keys = []", "keys"),
    "a key twice": ('keys = ["rsa-2048", "rsa-2048"]', "keys"),
    "an unknown pin": ('pin = "spki"', "pin"),
    "a table for a text": ("pin = {a = 1}", "pin"),
    "an unknown issuer": ('issuer = "nobody"', "nobody"),
    "no issuer": ("issuer = []", "issuer"),
    "an unknown announcer": ('announce = ["nobody"]', "nobody"),
    "a probe without a scheme": ('probe = ["127.0.0.1:25"]', "probe"),
    "a probe of an unknown scheme": ('probe = ["gopher://127.0.0.1"]', "gopher"),
    "renewed before it is issued": ('validity = "5d"\nrenew_before = "6d"', "renew_before"),
}


@pytest.mark.parametrize("what", VALUES)
def test_values(home: Home, what: str) -> None:
    """A value that cannot be meant is refused with its table and key."""
    text, named = VALUES[what]
    names = "" if "names" in text else 'names = ["a.example"]\n'
    home.config(f"[certificate.mx1]\n{names}{text}\n")
    refused = home("plan", code=2)
    assert named in refused.err
    assert "[certificate.mx1]" in refused.err


@pytest.mark.parametrize("text", ["0644", "0604", "0660", "0606", "0777", "0610", "0641", "4600", "8", "rw"])
def test_modes_of_keys(home: Home, text: str) -> None:
    """A file with a key in it may not be readable by others, nor written by a group, nor executable."""
    home.config(
        f'[certificate.mx1]\nnames=["a.example"]\n[[certificate.mx1.file]]\npath="a.pem"\nmode="{text}"\n'
    )
    refused = home("run", code=2)
    assert "[[certificate.mx1.file]]" in refused.err
    assert "mode" in refused.err
    assert not (home / "a.pem").exists()


@pytest.mark.parametrize("bits", ["1024", "2047", "0", "-2048", '"2048"', "2048.0", "true"])
def test_dhparam_bits(home: Home, bits: str) -> None:
    """DH parameters of less than 2048 bits are refused, and so is what is no number."""
    home.config(f'[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\nbits = {bits}\n')
    refused = home("run", code=2)
    assert "[dhparam.dh]" in refused.err
    assert "bits" in refused.err
    assert not (home / "dh.pem").exists()


@pytest.mark.parametrize("bad", [0o666, 0o646, 0o664, 0o622])
def test_writable_by_others(home: Home, bad: int) -> None:
    """A configuration that others than its owner may write is refused, with the chmod to type."""
    home.config('[certificate.mx1]\nnames = ["a.example"]\n')
    (home / "certctl.toml").chmod(bad)
    refused = home("run", code=2)
    assert "chmod" in refused.err
    assert str(home / "certctl.toml") in refused.err
    assert not (home / "state").exists()
    for good in (0o600, 0o640, 0o644, 0o444):
        (home / "certctl.toml").chmod(good)
        home("plan")


def test_somebody_else_s(home: Home) -> None:
    """Root does not read a configuration that another user may write."""
    require.root("another owner")
    home.config("")
    os.chown(home / "certctl.toml", 65534, 0)
    refused = home("run", code=2)
    assert "chown" in refused.err


def test_two_writers(home: Home) -> None:
    """Two tables that write one file are an error, before either does."""
    home.config(
        '[certificate.a]\nnames = ["a.example"]\n[[certificate.a.file]]\npath = "same.pem"\n'
        '[certificate.b]\nnames = ["b.example"]\n[[certificate.b.file]]\npath = "./x/../same.pem"\n'
    )
    assert "same.pem" in home("run", code=2).err


def test_a_byte_order_mark(home: Home) -> None:
    """A mark that an editor left before the text is either read over or named."""
    (home / "certctl.toml").write_bytes(b"\xef\xbb\xbf" + HEADER.encode())
    result = home("plan", code=None)
    assert result.code == 0 or str(home / "certctl.toml") in result.err
