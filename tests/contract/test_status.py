"""status --json: every field of the contract, and each state as it comes about."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import openssl
from tests.contract.home import PRINT, TIME, Home, moment, until_moment, write

NONE: tuple[type, ...] = (type(None),)
TEXT: tuple[type, ...] = (str,)
CERTIFICATE = {
    "name": TEXT,
    "names": (list,),
    "issuer": TEXT,
    "state": TEXT,
    "current": (dict, type(None)),
    "next": (dict, type(None)),
    "previous": (dict, type(None)),
    "rotation_wanted": (bool,),
    "hold_until": (str, type(None)),
    "renew_at": (str, type(None)),
    "rotate_at": (str, type(None)),
    "retry_at": (str, type(None)),
    "last_error": (str, type(None)),
}
GENERATION = {
    "generation": (int,),
    "made_at": TEXT,
    "announced_at": (str, type(None)),
    "promoted_at": (str, type(None)),
    "keys": (list,),
}
KEY = {
    "algorithm": TEXT,
    "key_sha256": TEXT,
    "certificate_sha256": (str, type(None)),
    "serial": (str, type(None)),
    "not_before": (str, type(None)),
    "not_after": (str, type(None)),
}
DHPARAM = {
    "name": TEXT,
    "path": TEXT,
    "bits": (int,),
    "source": TEXT,
    "made_at": (str, type(None)),
    "rotate_at": (str, type(None)),
    "state": TEXT,
    "last_error": (str, type(None)),
}
HOOK = {
    "name": TEXT,
    "state": TEXT,
    "last_run": (str, type(None)),
    "exit_status": (int, type(None)),
    "retry_at": (str, type(None)),
}
STATES = ("new", "ok", "due", "held", "failing", "expired")


def typed(entry: dict[str, Any], fields: dict[str, tuple[type, ...]]) -> None:
    """Show that an entry has every field, of one of its types, and that times are times."""
    for name, types in fields.items():
        assert name in entry, (name, entry)
        assert type(entry[name]) in types, (name, entry[name])
        if entry[name] is not None and (name.endswith(("_at", "_until")) or name in ("last_run", "now")):
            assert TIME.fullmatch(entry[name]), (name, entry[name])


def check(document: Any) -> None:
    """Show that a whole document is as the contract has it."""
    assert document["version"] == 1
    assert TIME.fullmatch(document["now"])
    for certificate in document["certificates"]:
        typed(certificate, CERTIFICATE)
        assert certificate["state"] in STATES
        for slot in ("current", "next", "previous"):
            if certificate[slot] is not None:
                typed(certificate[slot], GENERATION)
                for key in certificate[slot]["keys"]:
                    typed(key, KEY)
                    assert PRINT.fullmatch(key["key_sha256"])
    for dhparam in document["dhparams"]:
        typed(dhparam, DHPARAM)
    for hook in document["hooks"]:
        typed(hook, HOOK)
        assert hook["state"] in ("ok", "pending", "failing")


def test_document(home: Home) -> None:
    """Before and after the first pass, and after a rotation, every field has its type and meaning."""
    home.config(
        """
        [issuer.office]
        type = "private-ca"
        [certificate.mx1]
        names = ["mx1.example", "192.0.2.25"]
        issuer = ["office", "self-signed"]
        keys = ["ecdsa-p256", "rsa-2048"]
        [[certificate.mx1.file]]
        path = "mx1.pem"
        hooks = ["reload"]
        [dhparam.dh]
        path = "dh.pem"
        source = "ffdhe"
        bits = 3072
        [hook.reload]
        command = ["true"]
        """
    )
    document = home.json("status")
    check(document)
    (new,) = document["certificates"]
    assert (new["state"], new["issuer"]) == ("new", "office")
    assert new["current"] is new["next"] is new["previous"] is None
    assert document["dhparams"][0]["state"] == "new"
    assert document["dhparams"][0]["made_at"] is None
    home("run")
    document = home.json("status")
    check(document)
    (entry,) = document["certificates"]
    assert (entry["name"], entry["names"]) == ("mx1", ["mx1.example", "192.0.2.25"])
    assert (entry["state"], entry["issuer"]) == ("ok", "office")
    assert (entry["rotation_wanted"], entry["retry_at"], entry["last_error"]) == (False, None, None)
    labels, blocks = openssl.read(home / "mx1.pem")
    leaves = [blocks[at + 1] for at, label in enumerate(labels) if label == "KEY"]
    assert [key["algorithm"] for key in entry["current"]["keys"]] == ["ecdsa-p256", "rsa-2048"]
    for key, leaf in zip(entry["current"]["keys"], leaves, strict=True):
        assert key["key_sha256"] == openssl.colons(openssl.certificate_spki(leaf))
        assert key["certificate_sha256"] == openssl.colons(openssl.der(leaf))
        serial = int(openssl.field(leaf, "-serial").partition("=")[2], 16)
        assert int(key["serial"].replace(":", ""), 16) == serial
        assert moment(key["not_before"]) < moment(document["now"]) < moment(key["not_after"])
        end = moment(key["not_after"]).strftime("%b %e %H:%M:%S %Y GMT")
        assert openssl.field(leaf, "-enddate") == f"notAfter={end}"
    assert moment(document["now"]) < moment(entry["renew_at"]) < moment(entry["rotate_at"])
    current, waiting = entry["current"], entry["next"]
    assert waiting["generation"] == current["generation"] + 1
    assert moment(current["made_at"]) <= moment(current["promoted_at"])
    assert waiting["promoted_at"] is None
    for key in waiting["keys"]:
        assert (key["certificate_sha256"], key["serial"]) == (None, None)
        assert (key["not_before"], key["not_after"]) == (None, None)
    (dhparam,) = document["dhparams"]
    assert (dhparam["name"], dhparam["path"]) == ("dh", str(home / "dh.pem"))
    assert (dhparam["bits"], dhparam["source"], dhparam["state"]) == (3072, "ffdhe", "ok")
    assert TIME.fullmatch(dhparam["made_at"])
    (hook,) = document["hooks"]
    assert (hook["name"], hook["state"], hook["exit_status"], hook["retry_at"]) == ("reload", "ok", 0, None)
    assert moment(hook["last_run"]) <= moment(document["now"])
    home("rotate", "mx1")
    document = home.json("status")
    check(document)
    (rotated,) = document["certificates"]
    assert rotated["previous"]["keys"] == current["keys"]
    assert [key["key_sha256"] for key in rotated["current"]["keys"]] == [
        key["key_sha256"] for key in waiting["keys"]
    ]


def test_text(home: Home) -> None:
    """The table for people has the same: names, states, issuer, expiry, ages, holds, hooks, errors."""
    home.script("bad", "echo out of luck; exit 3")
    home.config(
        """
        [certificate.mx1]
        names = ["mx1.example"]
        hold_down = "7d"
        [[certificate.mx1.file]]
        path = "mx1.pem"
        hooks = ["bad"]
        [issuer.bad]
        type = "command"
        command = ["./bad"]
        [certificate.mx2]
        names = ["mx2.example"]
        issuer = "bad"
        [hook.bad]
        command = ["./bad"]
        [dhparam.dh]
        path = "dh.pem"
        source = "ffdhe"
        """
    )
    home("run", code=1)
    home("rotate", "mx1", code=None)
    shown = home("status").out
    status = home.json("status")
    first = status["certificates"][0]
    for word in ("mx1", "held", "self-signed", "mx2", "failing", "out of luck", "dh.pem", "ffdhe", "bad"):
        assert word in shown, (word, shown)
    assert first["current"]["keys"][0]["not_after"][:10] in shown
    assert first["hold_until"][:10] in shown


def test_due_by_time(home: Home) -> None:
    """A certificate whose renewal is due is `due` until a pass has renewed it."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\nvalidity = "10m"\nrenew_before = "597s"\n')
    home("run")
    before = home.certificate()
    until_moment(before["renew_at"])
    assert home.certificate()["state"] == "due"
    assert ("issue", "mx1") in home.steps()
    home("run")
    after = home.certificate()
    assert after["current"]["keys"][0]["key_sha256"] == before["current"]["keys"][0]["key_sha256"]
    assert after["current"]["keys"][0]["serial"] != before["current"]["keys"][0]["serial"]


def test_due_by_change(home: Home) -> None:
    """A certificate that is no longer what is configured is `due`."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\n')
    home("run")
    home.edit('["mx1.example"]', '["mx1.example", "more.example"]')
    assert home.certificate()["state"] == "due"
    home("run")
    assert home.certificate()["state"] == "ok"


def test_held(home: Home) -> None:
    """A rotation that waits for its hold-down is `held`, until a moment that is named."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\nhold_down = "1h"\n')
    home("run")
    assert home.certificate()["state"] == "ok"
    home("rotate", "mx1")
    held = home.certificate()
    assert (held["state"], held["rotation_wanted"]) == ("held", True)
    since = moment(held["hold_until"]) - moment(held["next"]["announced_at"])
    assert since.total_seconds() == pytest.approx(3600, abs=0.01)


def test_failing_and_expired(home: Home) -> None:
    """A bad issuer makes a certificate `failing`, and time makes it `expired`; success ends both."""
    script = home.script("sign", "cat >/dev/null; echo out of paper >&2; exit 3")
    home.config(
        """
        [issuer.bad]
        type = "command"
        command = ["./sign"]
        [certificate.mx1]
        names = ["mx1.example"]
        issuer = "bad"
        [certificate.mx2]
        names = ["mx2.example"]
        validity = "3s"
        renew_before = "1s"
        """
    )
    home("run", code=1)
    document = home.json("status")
    check(document)
    first, second = document["certificates"]
    assert first["state"] == "failing"
    assert "out of paper" in first["last_error"]
    assert moment(first["retry_at"]) > moment(document["now"])
    assert first["current"] is None
    until_moment(second["current"]["keys"][0]["not_after"])
    assert home.certificate("mx2")["state"] == "expired"
    assert "expired" in home("status", "mx2").out
    home.edit('validity = "3s"', 'validity = "3d"')
    home("run", "mx2")
    assert home.certificate("mx2")["state"] == "ok"
    write(script, '#!/bin/sh\nexec cat "$(dirname "$0")/never"\n')
    home.edit('issuer = "bad"', 'issuer = "self-signed"')
    home("run")
    (first, _) = home.json("status")["certificates"]
    assert (first["state"], first["last_error"], first["retry_at"]) == ("ok", None, None)


def test_hook_states(home: Home) -> None:
    """A hook is `pending` when its files have changed, `failing` when it failed, `ok` when it succeeded."""
    write(home / "map", "1")
    home.script("reload", 'echo "no room"; exit 7')
    home.config(
        '[watch.map]\npaths = ["map"]\nhooks = ["reload"]\n[hook.reload]\ncommand = ["./reload"]\n'
        '[certificate.mx1]\nnames = ["mx1.example"]\n'
    )

    def hook() -> Any:
        document = home.json("status")
        check(document)
        return document["hooks"][0]

    pending = hook()
    assert (pending["state"], pending["last_run"], pending["exit_status"]) == ("pending", None, None)
    home("run", code=1)
    failing = hook()
    assert (failing["state"], failing["exit_status"]) == ("failing", 7)
    assert moment(failing["retry_at"]) > moment(failing["last_run"])
    assert "no room" in home("status").out + home("hooks").out + home("log").out
    home.script("reload", "exit 0")
    home("run")
    assert (hook()["state"], hook()["exit_status"], hook()["retry_at"]) == ("ok", 0, None)
    write(home / "map", "2")
    pending = hook()
    assert (pending["state"], pending["exit_status"]) == ("pending", 0)


def test_certificate_whose_hook_fails(home: Home) -> None:
    """As long as its server was not told, a certificate is failing, for the hook's reason; others are not."""
    home.script("reload", "exit 7")
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\n[[certificate.mx1.file]]\npath = "a.pem"\n'
        'hooks = ["reload"]\n[certificate.other]\nnames = ["other.example"]\n'
        '[hook.reload]\ncommand = ["./reload"]\n'
    )
    home("run", code=1)
    failing = home.certificate()
    assert failing["state"] == "failing"
    assert "hook reload fails with exit status 7" in failing["last_error"]
    assert home.certificate("other")["state"] == "ok"
    assert "hook" in home("run", "-q", code=1).err
    home.script("reload", "exit 0")
    home("run")
    assert (home.certificate()["state"], home.certificate()["last_error"]) == ("ok", None)


def test_certificate_whose_announcer_fails(home: Home) -> None:
    """A certificate whose pins cannot be shown is failing, and names the announcer; a pass ends with 1."""
    (home / "pins").mkdir()
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\nannounce = ["partners"]\n'
        '[announce.partners]\ntype = "command"\ncommand = ["./show"]\n'
    )
    home.script("show", "exit 3")
    home("run", code=1)
    failing = home.certificate()
    assert failing["state"] == "failing"
    assert "announcer partners fails" in failing["last_error"]
    assert "partners" in home("run", "-q", code=1).err
