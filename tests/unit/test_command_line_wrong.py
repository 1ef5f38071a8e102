"""A command line that is wrong says so in one sentence, with the nearest thing that would be right."""

from __future__ import annotations

import pytest

from certctl.cli.main import main


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("statsu", "no command called statsu", "did you mean certctl status?"),
        ("-q --config x statsu mx1", "no command called statsu", "did you mean certctl status?"),
        ("stat status", "no command called stat", "did you mean certctl status?"),
        ("fing", "no command called fing", "did you mean certctl fingerprints?"),
        ("xyzzy", "no command called xyzzy", "certctl --help lists them"),
        ("hooks lst", "action: lst is not one of list, run", "did you mean list?"),
        ("account kill x", "action: kill is not one of show, rollover, deactivate", "certctl account --help"),
        ("fingerprints --of kye", "--of: kye is not one of key, certificate", "did you mean key?"),
        ("import certbto", "TOOL: certbto is not one of certbot, lego, ", "did you mean certbot?"),
        ("run --verfy", "no option called --verfy", "did you mean --verify?"),
        ("status --jsno=1", "no option called --jsno", "did you mean --json?"),
        ("plan --frobnicate", "unrecognized arguments: --frobnicate", "certctl --help"),
        ("rotate", "the following arguments are required: NAME", "certctl rotate --help"),
    ],
)
def test_nearest(line: str, said: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names what is wrong, the hint what to type; the exit status is that of usage."""
    assert main(line.split()) == 2
    error, told = capsys.readouterr().err.splitlines()
    assert error.startswith(f"certctl: error: {said}")
    assert told == f"certctl: hint: {hint}"
