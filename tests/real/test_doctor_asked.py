"""The corpus again, asked of the servers' own tools: postconf and doveconf must agree with our reading."""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from certctl.doctor.run import Target, doctor
from certctl.servers.postfix import read_postfix
from tests.real.servers.require import program
from tests.unit.doctor_case import names, put_up
from tests.unit.x509_make import NOW

_TOOLS = {"postfix": "postconf", "seed": "postconf", "dovecot": "doveconf"}
ASKED = [name for name in names() if name.partition("-")[0] in _TOOLS]


@pytest.mark.parametrize("name", ASKED)
def test_same_findings(name: str, tmp_path: os.PathLike[str]) -> None:
    """What postconf or doveconf says leads to the very findings that reading the files leads to."""
    program(_TOOLS[name.partition("-")[0]])
    case = put_up(name, str(tmp_path), ask=True)
    found = doctor(case.targets, NOW)
    seen = sorted(f"{one.severity} {one.check}" for one in found)
    assert seen == case.findings, "\n".join(map(str, found))


@pytest.mark.parametrize("name", [name for name in ASKED if not name.startswith("dovecot")])
def test_same_values(name: str, tmp_path: os.PathLike[str]) -> None:
    """Our own reading of main.cf and master.cf gives what postconf gives, set or by default."""
    program("postconf")
    put_up(name, str(tmp_path))
    asked = read_postfix(str(tmp_path))
    own = read_postfix(str(tmp_path), ask_postconf=False)
    assert asked.version
    assert _spaced({**own.explicit, "config_directory": own.directory}) == _spaced(asked.explicit)
    assert own.services == asked.services
    assert _spaced(own.values) == {key: _spaced(asked.values).get(key) for key in own.values}


def _spaced(values: Mapping[str, str]) -> dict[str, str]:
    """Line feeds inside a value count as white space."""
    return {key: " ".join(value.split()) for key, value in values.items()}


def test_postconf_that_is_missing(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without postconf the files are read, and the findings are the same."""
    monkeypatch.setattr("certctl.servers.postfix.run_program", lambda _argv: None)
    case = put_up("seed-logjam", str(tmp_path), ask=True)
    found = doctor([Target("postfix", str(tmp_path))], NOW)
    assert sorted(f"{one.severity} {one.check}" for one in found) == case.findings
