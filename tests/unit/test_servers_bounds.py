"""Configurations that include themselves or double what they say; tools that are not where they should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.onboarding.tools import settings
from certctl.servers import including
from certctl.servers.dovecot_form import parse
from certctl.servers.exim import read_exim
from certctl.servers.nginx_form import parse_nginx
from certctl.servers.postfix_parse import expand
from certctl.servers.program import run_program


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are reached at once: that they are looked at is what counts."""
    monkeypatch.setattr(including, "MOST_FILES", 50)


def test_nginx_that_includes_itself(tmp_path: Path) -> None:
    """Files that include all of their directory are taken in as often as the bound says."""
    text = "include *.conf; a b;"
    for number in range(5):
        (tmp_path / f"{number}.conf").write_text(text)
    assert len(parse_nginx(text, str(tmp_path / "0.conf"), str(tmp_path))) == 51
    with pytest.raises(CertctlError, match="nested too deeply"):
        parse_nginx("a {" * 100_000, "nginx.conf", "/")


def test_dovecot_that_includes_itself(tmp_path: Path) -> None:
    """The same for Dovecot."""
    for number in range(5):
        (tmp_path / f"{number}.conf").write_text("!include *.conf\nx {\n}\n")
    assert len(parse("!include *.conf\n", str(tmp_path / "dovecot.conf")).blocks) == 50


def test_exim_that_includes_itself(tmp_path: Path) -> None:
    """The same for Exim, where a file stands as often as it is named."""
    path = tmp_path / "exim.conf"
    path.write_text(f".include {path}\n" * 20 + "tls_certificate = /x\n")
    assert read_exim(str(path)) == {"tls_certificate": "/x"}


def test_postfix_parameters_that_double() -> None:
    """Parameters that name ever more of each other, or themselves, cost bounded time and space."""
    doubling = {f"a{n}": f"$a{n + 1} $a{n + 1} $a{n + 1}" for n in range(60)} | {"a60": "x" * 1000}
    assert len(expand("$a0", doubling)) < 2_000_000
    assert len(expand("$a", {"a": "$a${a}$(a)"})) < 10_000
    assert expand("$a.$b", {"a": "${b?yes}", "b": "no"}) == "yes.no"


def test_shell_variables_that_double() -> None:
    """A value that its variables make longer than any setting is left out, and costs nothing."""
    lines = ["a0='" + "x" * 100 + "'", *(f'a{n + 1}="$a{n}$a{n}"' for n in range(100)), "last=$a3"]
    found = settings.shell("\n".join(lines).encode())
    assert found["last"] == "x" * 800
    assert max(map(len, found.values())) <= settings.MOST_VALUE
    assert "a100" not in found or not found["a100"]


def test_programs_come_from_safe_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty part of PATH does not mean the current directory, and what others may change is not run."""
    for place in ("here", "open"):
        (tmp_path / place).mkdir()
        program = tmp_path / place / "certctl-test-program"
        program.write_text("#!/bin/sh\necho ran\n")
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "open").chmod(0o777)
    for path in ("", ":", ".", str(tmp_path / "open"), "./"):
        monkeypatch.setenv("PATH", path)
        assert run_program(["certctl-test-program"]) is None
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "here"))
    assert run_program(["certctl-test-program"]) == "ran\n"
