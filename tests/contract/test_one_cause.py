"""A CA that is dead for many certificates, and says much about it, is told in few words."""

from __future__ import annotations

import json

from tests.contract.home import Home

MANY = 40
ISSUER = 'issuer.ca = {type = "command", command = ["./dead"]}\n'
CERTIFICATE = 'certificate.c{0} = {{names = ["c{0}.example"], issuer = "ca"}}\n'


def dead(home: Home) -> None:
    """Configure many certificates of one issuer, which fails with a flood of words."""
    home.script("dead", "cat >/dev/null\nyes all is lost | head -c 900000 | tr '\\n' ' ' >&2\nexit 1")
    home.config(ISSUER + "".join(CERTIFICATE.format(number) for number in range(MANY)))


def test_one_line_for_one_cause(home: Home) -> None:
    """The pass in which it fails, and those that wait for its back-off, name the cause once, and how many."""
    dead(home)
    for _ in range(2):
        told = home("run", code=1).err
        assert told.count("ended with status 1") == 1, told
        assert f"and {MANY - 3} more: " in told
        assert len(told) < 20_000
    assert [row["state"] for row in home.json("status")["certificates"]] == ["failing"] * MANY
    assert len(home.json("run", code=1)["holds"]) >= MANY


def test_what_is_kept_is_bounded(home: Home) -> None:
    """State and journal keep no more of it than a message may have."""
    dead(home)
    home("run", code=1)
    (failure,) = json.loads((home / "state/state/c0.json").read_text())["failures"]
    assert len(failure["message"]) <= 4096
    assert max(map(len, (home / "state/journal.jsonl").read_text().splitlines())) < 10_000
