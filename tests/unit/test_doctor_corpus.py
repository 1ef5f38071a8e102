"""The corpus of configurations, broken and sound: what the doctor finds in each, and nothing else."""

from __future__ import annotations

import os

import pytest

from certctl.doctor.run import doctor
from tests.unit.doctor_case import names, put_up
from tests.unit.x509_make import NOW


@pytest.mark.parametrize("name", names())
def test_findings(name: str, tmp_path: os.PathLike[str]) -> None:
    """Each configuration has exactly the findings that its case.toml lists."""
    case = put_up(name, str(tmp_path))
    found = doctor(case.targets, NOW)
    seen = sorted(f"{one.severity} {one.check}" for one in found)
    assert seen == case.findings, "\n".join(map(str, found))


def test_sound_ones_are_silent(tmp_path: os.PathLike[str]) -> None:
    """There is a sound configuration of every server, and the doctor has nothing to say about it."""
    for server in ("postfix", "dovecot", "nginx", "haproxy", "exim"):
        case = put_up(f"{server}-sound", os.path.join(tmp_path, server))
        assert case.findings == []
        assert doctor(case.targets, NOW) == []


def test_every_finding_says_what_to_do(tmp_path: os.PathLike[str]) -> None:
    """No finding of the corpus is without a place, a message and something to type; none shows a key."""
    for name in names():
        for one in doctor(put_up(name, os.path.join(tmp_path, name)).targets, NOW):
            assert one.subject.split()[0] == one.check.split("-")[0]
            assert one.message
            assert one.fix
            assert "PRIVATE KEY" not in one.message + one.fix
            assert len(one.message) < 400, one.message
