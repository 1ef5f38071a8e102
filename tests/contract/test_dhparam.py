"""DH parameters: made, checked, kept, repaired, rotated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home, mode, moment, until, until_moment, write


def check(path: Path, bits: int = 2048) -> int:
    """Let openssl check a file; return its prime."""
    openssl.openssl("dhparam", "-check", "-noout", "-in", path)
    text = openssl.openssl("dhparam", "-text", "-noout", "-in", path).decode()
    assert f"({bits} bit)" in text
    hexadecimal = re.sub(r"\s|:", "", text.split("P:" if "P:" in text else "prime:")[1].split("G:")[0])
    return int(hexadecimal, 16) if re.fullmatch(r"[0-9a-f]+", hexadecimal) else 0


def test_generate(home: Home) -> None:
    """A prime of one's own is checked by openssl, repaired from what is kept, and rotated in its time."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(
        """
        [dhparam.dh]
        path = "dh.pem"
        mode = "0440"
        hooks = ["reload"]
        [certificate.mx1]
        names = ["mx1.example"]
        [hook.reload]
        command = ["./reload"]
        """
    )
    told = home("run")
    assert "\r" not in told.err
    first = (home / "dh.pem").read_bytes()
    check(home / "dh.pem")
    assert mode(home / "dh.pem") == 0o440
    assert home.lines("runs") == ["ran"]
    (entry,) = home.json("status")["dhparams"]
    assert (entry["source"], entry["bits"], entry["state"]) == ("generate", 2048, "ok")
    year = moment(entry["rotate_at"]) - moment(entry["made_at"])
    assert year.days == 365
    # Damaged, it comes back as it was; a new search would take seconds and change it.
    for damage in (b"", b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n", first[:100]):
        (home / "dh.pem").chmod(0o600)
        (home / "dh.pem").write_bytes(damage)
        steps = home.json("plan")["steps"]
        assert [step["kind"] for step in steps] == ["write", "hook"]
        home("run")
        assert (home / "dh.pem").read_bytes() == first
        assert mode(home / "dh.pem") == 0o440
    home("dhparam")
    assert (home / "dh.pem").read_bytes() == first
    # Its time comes.
    home.edit('mode = "0440"', 'mode = "0440"\nrotate_every = "1s"')
    until(lambda: ("dhparam", "dh") in home.steps(), "the parameters are a second old")
    assert home.json("status")["dhparams"][0]["state"] == "due"
    home("dhparam", "dh")
    home.edit('rotate_every = "1s"', 'rotate_every = "never"')
    home("run")
    assert (home / "dh.pem").read_bytes() != first
    check(home / "dh.pem")
    assert home.json("status")["dhparams"][0]["rotate_at"] is None


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 6144, 8192])
def test_ffdhe(home: Home, bits: int) -> None:
    """The groups of RFC 7919 are there at once, the same everywhere, and known to openssl."""
    home.config(f'[dhparam.dh]\npath = "dh.pem"\nbits = {bits}\nsource = "ffdhe"\n')
    home("run")
    assert mode(home / "dh.pem") == 0o644
    text = openssl.openssl("dhparam", "-text", "-noout", "-in", home / "dh.pem").decode()
    assert f"{bits} bit" in text
    assert f"ffdhe{bits}" in text or check(home / "dh.pem", bits)


@pytest.mark.parametrize("bits", [2049, 2560, 16384])
def test_ffdhe_of_other_sizes(home: Home, bits: int) -> None:
    """There is no group of RFC 7919 of another size."""
    home.config(f'[dhparam.dh]\npath = "dh.pem"\nbits = {bits}\nsource = "ffdhe"\n')
    assert "bits" in home("run", code=2).err


def test_another_size(home: Home) -> None:
    """Other bits in the configuration make it due; the old file stays until the new one is there."""
    home.config('[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\n')
    home("run")
    home.edit('source = "ffdhe"', 'source = "ffdhe"\nbits = 3072')
    (step, *_) = home.json("plan")["steps"]
    assert (step["kind"], step["subject"]) == ("dhparam", "dh")
    assert "3072" in step["reason"]
    home("run")
    assert b"3072 bit" in openssl.openssl("dhparam", "-text", "-noout", "-in", home / "dh.pem")
    assert home.steps() == []


def test_command(home: Home) -> None:
    """dhparam makes what is missing, checks what is there, and leaves certificates alone."""
    home.config(
        '[dhparam.a]\npath = "a.pem"\nsource = "ffdhe"\n[dhparam.b]\npath = "b.pem"\nsource = "ffdhe"\n'
        '[certificate.mx1]\nnames = ["mx1.example"]\n'
    )
    home("dhparam", "a")
    assert (home / "a.pem").exists()
    assert not (home / "b.pem").exists()
    home("dhparam")
    assert (home / "b.pem").exists()
    assert home.certificate()["state"] == "new"
    (home / "a.pem").write_text("rubbish")
    home("dhparam", "a", code=None)
    check(home / "a.pem")


def test_kept_parameters_that_are_spoilt(home: Home) -> None:
    """Where what is kept is damaged, too, parameters are made anew rather than rubbish written out."""
    home.config('[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\n')
    home("run")
    kept = home / "state/dhparam/dh.pem"
    kept.chmod(0o600)
    write(kept, "rubbish")
    write(home / "dh.pem", "rubbish")
    home("run")
    check(home / "dh.pem")
    check(kept)
    assert home.steps() == []


def test_no_directory(home: Home) -> None:
    """Parameters whose place is missing fail in words, and keep nothing else from being done."""
    home.config(
        '[dhparam.dh]\npath = "no/dh.pem"\nsource = "ffdhe"\n[certificate.mx1]\nnames = ["mx1.example"]\n'
    )
    failed = home("run", code=1)
    assert str(home / "no") in failed.err
    (entry,) = home.json("status")["dhparams"]
    assert entry["state"] == "failing"
    assert str(home / "no") in entry["last_error"]
    assert home.certificate()["state"] == "ok"
    (home / "no").mkdir()
    home("run")
    assert home.json("status")["dhparams"][0]["state"] == "ok"


def test_ffdhe_does_not_rotate(home: Home) -> None:
    """What is the same everywhere needs no rotation, whatever rotate_every says."""
    home.config('[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\nrotate_every = "1s"\n')
    home("run")
    made = home.json("status")["dhparams"][0]["made_at"]
    home.config('[dhparam.dh]\npath = "dh.pem"\nsource = "ffdhe"\nrotate_every = "2s"\n')
    until_moment(made)
    assert home.steps() == []
