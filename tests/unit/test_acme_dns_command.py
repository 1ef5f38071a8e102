"""dns-01 by a program: what is run, as what, and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.dns01 import Command, Record, Table

RECORD = Record("_acme-challenge.example.test", "v" * 43)


def program(directory: Path, text: str, mode: int = 0o755) -> str:
    path = directory / "dns-hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


def command(*argv: str, timeout: float = 20.0) -> Command:
    return Command(Table("[issuer.ca.command]", {"command": list(argv), "timeout": timeout}), 60)


def test_is_run(tmp_path: Path) -> None:
    """It gets its own arguments, the action and the record, and a small environment."""
    path = program(tmp_path, f'{{ echo "$@"; env | sort; pwd; }} >>{tmp_path}/ran')
    command(path, "--zone", "a b").add(RECORD)
    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran[0] == f"--zone a b add {RECORD.name} {RECORD.value}"
    assert {"CERTCTL_TTL=60", "LC_ALL=C.UTF-8"} <= set(ran)
    assert ran[-1] == "/"


def test_failure(tmp_path: Path) -> None:
    """Its exit status and its last words are told, with what to type."""
    with pytest.raises(CertctlError, match=r"remove _acme\S+ failed with 3: no\s+such zone") as caught:
        command(program(tmp_path, "echo no; echo such zone >&2; exit 3")).remove(RECORD)
    assert f"remove {RECORD.name} {RECORD.value}" in str(caught.value.hint)
    with pytest.raises(CertctlError, match=r"was ended after 0\.2 s"):
        command(program(tmp_path, "sleep 60"), timeout=0.2).add(RECORD)


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775])
def test_program_that_others_may_write(tmp_path: Path, mode: int) -> None:
    """It is not run: whoever could write it would be run as root."""
    path = program(tmp_path, f"touch {tmp_path}/ran", mode)
    if mode == 0o775:
        os.chown(path, -1, 65534)
    with pytest.raises(CertctlError, match="may be written by"):
        command(path).add(RECORD)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_program_of_somebody_else(tmp_path: Path) -> None:
    """A program that belongs to nobody is not run."""
    path = program(tmp_path, f"touch {tmp_path}/ran")
    os.chown(path, 65534, 65534)
    with pytest.raises(CertctlError, match="neither to root nor to whoever runs certctl"):
        command(path).add(RECORD)
    assert not (tmp_path / "ran").exists()


def test_path_that_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is found in a directory of everybody's is not run either."""
    place = tmp_path / "open"
    place.mkdir()
    program(place, f"touch {tmp_path}/ran")
    place.chmod(0o777)
    monkeypatch.setenv("PATH", f"{place}:/usr/bin:/bin")
    with pytest.raises(CertctlError, match="may be written by everybody"):
        command("dns-hook").add(RECORD)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(CertctlError, match="does not exist"):
        command("no-such-program-anywhere").add(RECORD)
    with pytest.raises(CertctlError, match="relative path"):
        command("./dns-hook").add(RECORD)
