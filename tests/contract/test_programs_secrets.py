"""Secrets in the arguments of programs: in nothing that certctl keeps or prints."""

from __future__ import annotations

import pytest

from tests.contract.home import Home

SECRET, PASSWORD = "s3cr3t-T0k3n", "pr0xy-pa55"
SAYS = 'echo "I was given $*, and http://me:pr0xy-pa55@127.0.0.1:3128/ does not answer" >&2; exit 1'
ARGUMENTS = '"--token", "s3cr3t-T0k3n", "--api-key=s3cr3t-T0k3n"'
BASE = """
[certificate.mx1]
names = ["mx1.example"]
{certificate}
"""
PROGRAMS = {
    "issuer": ('issuer = "vault"', '[issuer.vault]\ntype = "command"\ncommand = [{argv}]'),
    "announcer": (
        'announce = ["told"]\nhold_down = "1h"',
        '[announce.told]\ntype = "command"\ncommand = [{argv}]',
    ),
    "hook": ('hooks = ["tell"]', "[hook.tell]\ncommand = [{argv}]"),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_that_tells_all(home: Home, kind: str) -> None:
    """A program that fails and prints its arguments puts no secret into status, log, journal or state."""
    certificate, table = PROGRAMS[kind]
    argv = f'"{home.script("tell", SAYS)}", {ARGUMENTS}'
    home.config(BASE.format(certificate=certificate) + table.format(argv=argv))
    said = home("run", "-v", code=1).text
    assert "I was given" in said
    assert "[secret]" in said
    for command in ("status", "log", "hooks", "plan"):
        said += home(command).text + home(command, "--json").text
    kept = b"".join(path.read_bytes() for path in (home / "state").rglob("*") if path.is_file())
    assert b"[secret]" in kept
    for secret in (SECRET, PASSWORD):
        assert secret not in said
    assert PASSWORD.encode() not in kept
    assert SECRET.encode() not in kept
