"""plan says what run will do, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.contract.home import TIME, Home, moment, until_moment, write

KINDS = ["make-key", "issue", "promote", "write", "hook", "announce", "retract", "retire", "dhparam"]
KINDS += ["rollback"]
CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
issuer = "private-ca"
hold_down = "1h"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[certificate.mx2]
names = ["mx2.example"]
[[certificate.mx2.file]]
path = "mx2.pem"
hooks = ["reload"]
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
hooks = ["reload"]
[watch.map]
paths = ["map"]
hooks = ["other"]
[hook.reload]
command = ["true"]
[hook.other]
command = ["true"]
"""


def unlink(home: Home) -> None:
    (home / "mx1.pem").unlink()


def spoil(home: Home) -> None:
    write(home / "mx2.pem", "rubbish")


def loosen(home: Home) -> None:
    (home / "mx1.pem").chmod(0o644)


def watched(home: Home) -> None:
    write(home / "map", "changed")


def unlive(home: Home) -> None:
    (home / "state/live/mx1").unlink()


def rename(home: Home) -> None:
    home.edit('["mx2.example"]', '["mx2.example", "new.example"]')


def another_key(home: Home) -> None:
    home.edit('names = ["mx2.example"]', 'names = ["mx2.example"]\nkeys = ["rsa-2048"]')


def another_issuer(home: Home) -> None:
    home.edit('issuer = "private-ca"', 'issuer = "self-signed"')


def another_path(home: Home) -> None:
    home.edit('path = "mx1.pem"', 'path = "moved.pem"')


def another_mode(home: Home) -> None:
    home.edit('path = "mx1.pem"', 'path = "mx1.pem"\nmode = "0400"')


def another_hook(home: Home) -> None:
    home.edit('[hook.reload]\ncommand = ["true"]', '[hook.reload]\ncommand = ["true", "x"]')


def rotated(home: Home) -> None:
    home("rotate", "mx1")
    home.edit('hold_down = "1h"', 'hold_down = "0s"')


def held(home: Home) -> None:
    home("rotate", "mx1")


def rotated_twice(home: Home) -> None:
    home("rotate", "mx2")
    home("rotate", "mx2")
    (home / "mx2.pem").unlink()


def no_dhparam(home: Home) -> None:
    (home / "dh.pem").unlink()


def other_dhparam(home: Home) -> None:
    home.edit('source = "ffdhe"', 'source = "ffdhe"\nbits = 3072')


def gone_certificate(home: Home) -> None:
    home.edit(
        '[certificate.mx2]\nnames = ["mx2.example"]\n[[certificate.mx2.file]]\npath = "mx2.pem"\n'
        'hooks = ["reload"]\n',
        "",
    )


def failing(home: Home) -> None:
    home.edit('[hook.reload]\ncommand = ["true"]', '[hook.reload]\ncommand = ["false"]')
    (home / "mx1.pem").unlink()
    home("run", code=1)


def due(home: Home) -> None:
    home.edit('names = ["mx2.example"]', 'names = ["mx2.example"]\nvalidity = "10m"\nrenew_before = "597s"')
    home("renew", "mx2")
    until_moment(home.certificate("mx2")["renew_at"])


def kept(home: Home) -> None:
    """Nothing is changed."""


CHANGES = [unlink, spoil, loosen, watched, unlive, rename, another_key, another_issuer, another_path]
CHANGES += [another_mode, another_hook, rotated, held, rotated_twice, no_dhparam, other_dhparam]
CHANGES += [gone_certificate, failing, due, kept]


def shown(plan: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(step["kind"], step["subject"]) for step in plan["steps"]]


def test_first_plan(home: Home) -> None:
    """Before anything is there, a plan does not even make the state directory, and run does what it said."""
    home.config(CONFIG)
    before = home.snapshot()
    plan = home.json("plan")
    home("plan")
    home("plan", "--check", code=3)
    home("status")
    home("fingerprints")
    home("hooks", "list")
    home("log")
    assert home.snapshot() == before
    assert {kind for kind, _ in shown(plan)} == {"make-key", "issue", "promote", "write", "hook", "dhparam"}
    did = home.json("run")
    assert sorted(shown(did)) == sorted(shown(plan))  # certificates are issued side by side
    assert shown(home.json("plan")) == []
    home("plan", "--check")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_plan_is_what_run_does(home: Home, change: Callable[[Home], None]) -> None:
    """After any change a plan changes nothing, run does its very steps, and then nothing is left to do."""
    home.config(CONFIG)
    home("run")
    change(home)
    before = home.snapshot()
    plan = home.json("plan")
    text = home("plan").out
    home("plan", "--check", code=3 if plan["steps"] else 0)
    assert home.snapshot() == before
    for step in plan["steps"]:
        assert step["kind"] in KINDS
        assert step["reason"]
        assert step["kind"] in text
        assert step["reason"] in text
    did = home.json("run", code=None)
    assert shown(did) == shown(plan)
    after = home.json("plan")
    assert after["steps"] == []
    assert home("run", "-q", code=None).text == "" or change is failing
    home("plan", "--check")
    home("plan", "--verify", "--check")


def test_document(home: Home) -> None:
    """The document has every field of the contract, typed, and a hold has its end."""
    home.config(CONFIG)
    for steps in (True, False):
        plan = home.json("plan")
        assert plan["version"] == 1
        assert TIME.fullmatch(plan["now"])
        assert TIME.fullmatch(plan["next_pass_at"])
        assert bool(plan["steps"]) is steps
        for step in plan["steps"]:
            for field in ("kind", "subject", "reason"):
                assert isinstance(step[field], str)
                assert step[field]
        for hold in plan["holds"]:
            assert (hold["kind"], hold["subject"]) == ("promote", "mx1")
            assert isinstance(hold["reason"], str)
            assert moment(hold["until"]) > moment(plan["now"])
        home("run")
    home("rotate", "mx1")
    plan = home.json("plan")
    assert plan["steps"] == []
    assert [hold["subject"] for hold in plan["holds"]] == ["mx1"]
    assert plan["next_pass_at"] == plan["holds"][0]["until"] == home.certificate()["hold_until"]
    text = home("plan").out
    assert "held" in text
    assert plan["holds"][0]["until"][:10] in text


def test_next_pass_is_the_first_moment(home: Home) -> None:
    """The next pass is due when the first certificate or DH file is."""
    home.config(
        '[certificate.a]\nnames=["a.example"]\n[certificate.b]\nnames=["b.example"]\nvalidity="10d"\n'
        '[certificate.c]\nnames=["c.example"]\nrotate_every="3d"\n'
    )
    home("run")
    status = home.json("status")
    moments = [entry[at] for entry in status["certificates"] for at in ("renew_at", "rotate_at")]
    assert moment(home.json("plan")["next_pass_at"]) == min(moment(at) for at in moments)


def test_reasons_name_what_changed(home: Home) -> None:
    """Each step says why: the file that is missing, the name that is new, the issuer that is another."""
    home.config(CONFIG)
    home("run")
    for change, word in (
        (unlink, "mx1.pem is missing"),
        (rename, "new.example"),
        (another_issuer, "self-signed"),
        (watched, "map"),
    ):
        change(home)
        assert word in json.dumps(home.json("plan")["steps"]), change
