"""Two configurations that write one path, which holds no key: the second is told, and nobody fights."""

from __future__ import annotations

import shutil

import pytest

from tests.contract import openssl
from tests.contract.home import Home

CONFIG = """
[certificate.mx1]
names = ["mx1.example.org"]
hold_down = "0s"
[[certificate.mx1.file]]
path = "{path}"
parts = {parts}
hooks = ["count"]
[hook.count]
command = ["{command}"]
"""


def make(home: Home, name: str, parts: str = '["cert", "chain"]') -> Home:
    """One of several configurations beside each other; all write what the first made of *home*."""
    (home / "tls").mkdir(exist_ok=True)
    (home / name).mkdir()
    made = Home(home / name)
    command = made.script("count", 'echo run >> "$HERE/runs"')
    made.config(CONFIG.format(path=home / "tls/fullchain.pem", parts=parts, command=command))
    return made


@pytest.fixture
def first(home: Home) -> Home:
    """The configuration that has the path, with what it wrote there."""
    made = make(home, "first")
    made("run")
    assert made.lines("runs") == ["run"]
    return made


def test_the_second_is_told(home: Home, first: Home) -> None:
    """The second one leaves the file alone, says why with exit status 1, and the first is at rest."""
    before = (home / "tls/fullchain.pem").read_bytes()
    second = make(home, "second")
    for _ in range(2):
        ran = second("run", code=1)
        assert "fullchain.pem holds a certificate for a key that the state does not have" in ran.err
        assert "give each a path of its own" in ran.err
        assert (home / "tls/fullchain.pem").read_bytes() == before
        first("run")
    assert first.lines("runs") == ["run"]
    assert second.lines("runs") == []
    (hold,) = second.json("plan")["holds"]
    assert (hold["kind"], hold["subject"]) == ("write", "mx1")
    assert second.certificate()["state"] == "failing"


def test_the_first_is_told_when_it_gives_way(home: Home, first: Home) -> None:
    """Where a person lets the second one have the path, the first does not take it back, and says so."""
    second = make(home, "second")
    second("run", "--replace-unknown-keys", "mx1")
    after = (home / "tls/fullchain.pem").read_bytes()
    assert openssl.colons(openssl.certificate_spki(after.decode())) == second.pins("current")[0]
    (kept,) = (second / "state/certificates/mx1").glob("fullchain.pem.replaced-*")
    assert b"BEGIN CERTIFICATE" in kept.read_bytes()
    for _ in range(2):
        assert "give each a path of its own" in first("run", code=1).err
        second("run")
    assert (home / "tls/fullchain.pem").read_bytes() == after
    assert first.lines("runs") == ["run"] * 2, "it runs once more, as the file is another"


def test_what_was_issued_here_is_repaired(home: Home, first: Home) -> None:
    """A certificate of before, damage, and what a certificate of another name left are replaced as ever."""
    path = home / "tls/fullchain.pem"
    before = path.read_bytes()
    first("rotate", "mx1")
    served = path.read_bytes()
    for content in (before, b"", served.replace(b"M", b"N")):
        path.write_bytes(content)
        first("run")
        assert path.read_bytes() == served
    text = (first / "certctl.toml").read_text()
    (first / "certctl.toml").write_text(text.replace("certificate.mx1", "certificate.mail"))
    first("run")
    assert openssl.colons(openssl.certificate_spki(path.read_text())) == first.pins("current", "mail")[0]


def test_chains_change(home: Home) -> None:
    """A file that holds only certificates of authorities is not asked whose it is."""
    made = make(home, "one", '["root"]')
    made.edit('names = ["mx1.example.org"]', 'names = ["mx1.example.org"]\nissuer = "private-ca"')
    made("run")
    shutil.rmtree(made / "state")
    made("run")
