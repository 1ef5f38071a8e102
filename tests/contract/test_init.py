"""init: a starter that works at once, and never in the place of something that is there."""

from __future__ import annotations

import json
import time

import pytest

from tests.contract import openssl
from tests.contract.home import Home, write


def test_first_run(home: Home) -> None:
    """init, run and status: within 15 seconds there is a certificate, and what to type next is said."""
    start = time.monotonic()
    told = home("init", "--dir", "demo", "mx.example.org")
    text = (home / "demo/certctl.toml").read_text()
    assert str(home / "demo/certctl.toml") in told.text
    assert "certctl" in told.text
    assert "run" in told.text
    assert "mx.example.org" in text
    assert text.count("#") > 5
    demo = Home(home / "demo")
    plan = demo.json("plan")
    assert ("make-key", plan["steps"][0]["subject"]) in demo.steps() or plan["steps"]
    demo("run")
    assert time.monotonic() - start < 15
    status = demo.json("status")
    (entry,) = status["certificates"]
    assert entry["state"] == "ok"
    assert "mx.example.org" in entry["names"]
    leaf = (home / "demo").rglob("cert.pem")
    assert any("mx.example.org" in openssl.names(path.read_text()) for path in leaf)
    assert demo("fingerprints", "--format", "policy").out.startswith("[mx.example.org] fingerprint match=")
    demo("plan", "--check")
    assert demo("log").out


def test_several_names(home: Home) -> None:
    """All names go into the certificate, the first one first."""
    home("init", "--dir", ".", "mx1.example.org", "mx2.example.org", "192.0.2.1")
    (entry,) = home.json("status")["certificates"]
    assert entry["names"] == ["mx1.example.org", "mx2.example.org", "192.0.2.1"]


def test_without_a_name(home: Home) -> None:
    """Without a name this host's is taken, and the file loads."""
    home("init", "--dir", ".")
    (entry,) = home.json("status")["certificates"]
    assert entry["names"]


@pytest.mark.parametrize("name", ["certctl.toml", "dangling"])
def test_never_overwrites(home: Home, name: str) -> None:
    """What is there stays as it is, and a link that leads nowhere is not written through."""
    if name == "certctl.toml":
        write(home / "certctl.toml", "# mine\n")
    else:
        (home / "certctl.toml").symlink_to("elsewhere.toml")
    refused = home("init", "--dir", ".", "mx.example.org", code=None)
    assert refused.code in (1, 2)
    assert "certctl.toml" in refused.err
    if name == "certctl.toml":
        assert (home / "certctl.toml").read_text() == "# mine\n"
    else:
        assert not (home / "elsewhere.toml").exists()


def test_directory_that_cannot_be(home: Home) -> None:
    """A directory that cannot be made, and a file in its place, fail in words."""
    write(home / "file", "")
    for place in ("file", "file/sub"):
        failed = home("init", "--dir", place, "mx.example.org", code=None)
        assert failed.code in (1, 2)
        assert str(home / "file") in failed.err or "file" in failed.err
    home("init", "--dir", "", "mx.example.org", code=None)


BAD_NAMES = ["", "a b", "-x", "a/b", 'a"b', "a\nb", "a" * 300, "..", "exa_mple..org", "*"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(home: Home, name: str) -> None:
    """What is no name is refused, and no file is written."""
    args = ["--", name] if name.startswith("-") else [name]
    refused = home("init", "--dir", "new", *args, code=None)
    assert refused.code in (1, 2), refused
    assert not (home / "new/certctl.toml").exists()


@pytest.mark.parametrize("name", ["bücher.example", "*.example.org", "192.0.2.1", "2001:db8::1", "localhost"])
def test_odd_names(home: Home, name: str) -> None:
    """Names of every kind make a file that loads, and a certificate."""
    home("init", "--dir", ".", name)
    home("run")
    (entry,) = home.json("status")["certificates"]
    assert entry["state"] == "ok"


def test_json(home: Home) -> None:
    """The document names the file."""
    document = home("init", "--dir", "new", "mx.example.org", "--json").json
    assert str(home / "new/certctl.toml") in json.dumps(document)
