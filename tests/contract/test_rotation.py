"""Rotation: announced, held, promoted, kept, forced, dropped, undone; and renewal, which keeps the key."""

from __future__ import annotations

import os
import pwd
import re

import pytest

from tests.contract import openssl
from tests.contract.home import Home, moment, until_held, until_moment

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
keys = ["ecdsa-p256", "ecdsa-p384"]
hold_down = "1h"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[hook.reload]
command = ["./reload"]
"""


@pytest.fixture
def mail(home: Home) -> Home:
    """A home with one certificate, held for an hour, whose hook counts its runs."""
    home.script("reload", 'echo ran >>"$HERE/runs"')
    home.config(CONFIG)
    home("run")
    return home


def serving(home: Home) -> list[str]:
    """The key fingerprints of all certificates in the file that is served."""
    labels, blocks = openssl.read(home / "mx1.pem")
    return [
        openssl.colons(openssl.certificate_spki(block))
        for label, block in zip(labels, blocks, strict=True)
        if label == "CERTIFICATE"
    ]


def test_held_then_promoted(home: Home) -> None:
    """A rotation waits for the whole hold-down, then a later run promotes what had been announced."""
    home.config(CONFIG.replace('"1h"', '"3s"').replace('command = ["./reload"]', 'command = ["true"]'))
    home("run")
    first, announced = home.pins("current"), home.pins("next")
    told = home("rotate", "mx1")
    held = home.certificate()
    if held["rotation_wanted"]:
        assert "held" in told.out
        assert serving(home) == first
        until_held(home)
        home("run")
    after = home.certificate()
    assert home.pins("current") == announced == serving(home)
    assert home.pins("previous") == first
    assert not after["rotation_wanted"]
    waited = moment(after["current"]["promoted_at"]) - moment(after["current"]["announced_at"])
    assert waited.total_seconds() >= 3
    assert set(home.pins("next")).isdisjoint([*first, *announced])


def test_held_says_until_when(mail: Home) -> None:
    """rotate exits 0 when it is held, says until when, and changes nothing that is served."""
    first, files = mail.pins("all"), (mail / "mx1.pem").read_bytes()
    told = mail("rotate", "mx1")
    assert "held until" in told.out
    assert mail.certificate()["hold_until"][:10] in told.out
    assert mail("rotate", "mx1").code == 0
    assert mail("run").code == 0
    assert mail.pins("all") == first
    assert (mail / "mx1.pem").read_bytes() == files
    assert mail.lines("runs") == ["ran"]


def test_a_shorter_hold_is_obeyed(mail: Home) -> None:
    """A hold-down that was shortened lets a wanted rotation through at the next pass."""
    announced = mail.pins("next")
    mail("rotate", "mx1")
    mail.edit('"1h"', '"0s"')
    mail("run")
    assert serving(mail) == announced


def test_force(home: Home) -> None:
    """--force promotes in spite of the hold, and lists whose pins break."""
    home.config(
        CONFIG.replace('command = ["./reload"]', 'command = ["true"]').replace(
            'hold_down = "1h"', 'hold_down = "1h"\nrequire_ack = ["thumb.example.net", "other.example.net"]'
        )
    )
    home("run")
    home("ack", "mx1", "other.example.net")
    first, announced = home.pins("current"), home.pins("next")
    told = home("rotate", "mx1", "--force")
    assert "thumb.example.net" in told.err
    assert re.search(r"whoever pins it .*breaks", told.err)
    assert home.pins("current") == announced == serving(home)
    assert home.pins("previous") == first
    assert not home.certificate()["rotation_wanted"]


def test_force_in_json(mail: Home) -> None:
    """Whose pins break is in the document, too."""
    mail.edit('hold_down = "1h"', 'hold_down = "1h"\nrequire_ack = ["thumb.example.net"]')
    assert "thumb.example.net" in mail("rotate", "mx1", "--force", "--json").out


def test_abort(mail: Home) -> None:
    """--abort drops a waiting rotation and replaces the next key, whose hold-down begins anew."""
    first, dropped = mail.certificate(), mail.pins("next")
    mail("rotate", "mx1")
    mail("rotate", "mx1", "--abort")
    after = mail.certificate()
    assert not after["rotation_wanted"]
    assert after["state"] == "ok"
    assert set(mail.pins("next")).isdisjoint(dropped)
    assert len(mail.pins("next")) == 2
    assert moment(after["next"]["announced_at"]) > moment(first["next"]["announced_at"])
    assert moment(after["hold_until"]) > moment(first["hold_until"])
    assert mail.pins("current") == serving(mail)
    mail("rotate", "mx1", "--force")
    assert set(serving(mail)).isdisjoint(dropped)


def test_abort_without_a_rotation(mail: Home) -> None:
    """--abort replaces the next key even when no rotation waits: it may have been lost."""
    dropped = mail.pins("next")
    mail("rotate", "mx1", "--abort")
    assert set(mail.pins("next")).isdisjoint(dropped)


def test_previous_is_kept(mail: Home) -> None:
    """After each rotation the key that was served stands as previous, with its certificate, to be seen."""
    mail.edit('hold_down = "1h"', 'hold_down = "0s"')
    seen = [mail.pins("current")]
    for _ in range(3):
        mail("rotate", "mx1")
        assert mail.pins("previous") == seen[-1]
        seen.append(mail.pins("current"))
        assert mail.pins("all") == [*mail.pins("current"), *mail.pins("next"), *mail.pins("previous")]
    assert len({pin for pins in seen for pin in pins}) == 8
    assert len(mail.lines("runs")) == 4


def test_rollback(mail: Home) -> None:
    """rollback serves the previous key again, files and hooks follow, and once more goes forward again."""
    first, before = mail.pins("current"), (mail / "mx1.pem").read_bytes()
    mail("rotate", "mx1", "--force")
    second, standby = mail.pins("current"), mail.pins("next")
    live = (mail / "state/live/mx1/bundle.pem").read_bytes()
    mail("rollback", "mx1")
    assert serving(mail) == first == mail.pins("current")
    assert (mail / "mx1.pem").read_bytes() == before
    assert (mail / "state/live/mx1/bundle.pem").read_bytes() == before != live
    assert len(mail.lines("runs")) == 3
    assert mail.pins("previous") == second
    assert mail.pins("next") == standby
    assert mail.steps() == []
    mail("rollback", "mx1")
    assert serving(mail) == second
    assert len(mail.lines("runs")) == 4


def test_rollback_then_rotate(mail: Home) -> None:
    """After a rollback a rotation goes on to the standby key, not to the one that was left."""
    mail("rotate", "mx1", "--force")
    left, standby = mail.pins("current"), mail.pins("next")
    mail("rollback", "mx1")
    mail("rotate", "mx1", "--force")
    assert serving(mail) == standby
    assert serving(mail) != left


def test_nothing_to_roll_back_to(mail: Home) -> None:
    """rollback without a previous generation fails in words and changes nothing."""
    before = (mail / "mx1.pem").read_bytes()
    refused = mail("rollback", "mx1", code=1)
    assert "previous" in refused.err
    assert (mail / "mx1.pem").read_bytes() == before
    assert mail.lines("runs") == ["ran"]


def test_rollback_to_an_expired_certificate(home: Home) -> None:
    """What is valid is never replaced by what has expired: the old key is certified anew, or refused."""
    home.config(
        '[certificate.mx1]\nnames=["mx1.example"]\nvalidity="4s"\nrenew_before="1s"\n'
        '[[certificate.mx1.file]]\npath = "mx1.pem"\n'
    )
    home("run")
    first = home.certificate()["current"]["keys"][0]
    home.edit('validity="4s"\nrenew_before="1s"', 'validity="1h"\nrenew_before="10m"')
    home("rotate", "mx1")
    until_moment(first["not_after"])
    home("rollback", "mx1", code=None)
    openssl.openssl("x509", "-checkend", "60", "-in", home / "mx1.pem")
    key, leaf = openssl.read(home / "mx1.pem")[1][:2]
    assert openssl.key_spki(key) == openssl.certificate_spki(leaf)


def test_rollback_after_a_change_of_names(mail: Home) -> None:
    """A rollback does not bring back a certificate for names that are no longer configured."""
    mail("rotate", "mx1", "--force")
    mail.edit('names = ["mx1.example"]', 'names = ["mx9.example"]')
    mail("run")
    mail("rollback", "mx1", code=None)
    mail("run", code=None)
    leaf = openssl.read(mail / "mx1.pem")[1][1]
    assert "mx9.example" in openssl.names(leaf)


def test_renew(mail: Home) -> None:
    """renew gets a new certificate for the same keys at once: pins stay, files and hooks follow."""
    before, pins = mail.certificate(), mail.pins("all")
    mail("renew", "mx1")
    after = mail.certificate()
    assert mail.pins("all") == pins
    for old, new in zip(before["current"]["keys"], after["current"]["keys"], strict=True):
        assert old["serial"] != new["serial"]
        assert old["key_sha256"] == new["key_sha256"]
    assert serving(mail) == mail.pins("current")
    serial = openssl.field(openssl.read(mail / "mx1.pem")[1][1], "-serial").partition("=")[2]
    assert int(after["current"]["keys"][0]["serial"], 16) == int(serial, 16)
    assert len(mail.lines("runs")) == 2
    assert mail.steps() == []


def test_renewal_during_a_hold(mail: Home) -> None:
    """A renewal never waits for a rotation that is held."""
    mail("rotate", "mx1")
    pins = mail.pins("all")
    mail("renew", "mx1")
    assert mail.pins("all") == pins
    assert mail.certificate()["rotation_wanted"]


def test_rotate_every(home: Home) -> None:
    """A key that has been used for rotate_every gives way to the one that was shown, without being asked."""
    home.config(CONFIG.replace('"1h"', '"1s"\nrotate_every = "3s"').replace("./reload", "true"))
    home("run")
    before, announced = home.certificate(), home.pins("next")
    used = moment(before["rotate_at"]) - moment(before["current"]["promoted_at"])
    assert used.total_seconds() == pytest.approx(3, abs=0.01)
    assert moment(home.json("plan")["next_pass_at"]) <= moment(before["rotate_at"])
    until_moment(before["rotate_at"])
    assert home.certificate()["state"] in ("due", "held")
    home("run")
    assert serving(home) == announced


def test_rotate_never(mail: Home) -> None:
    """rotate_every = "never" leaves rotation to people."""
    mail.edit('hold_down = "1h"', 'hold_down = "0s"\nrotate_every = "never"')
    assert mail.certificate()["rotate_at"] is None
    assert mail.steps() == []
    announced = mail.pins("next")
    mail("rotate", "mx1")
    assert serving(mail) == announced


def test_several_names(home: Home) -> None:
    """rotate and renew take several names, and leave the others."""
    home.config("".join(f'[certificate.{name}]\nnames = ["{name}.example"]\n' for name in "abc"))
    home("run")
    before = {name: home.pins("current", name) for name in "abc"}
    home("rotate", "a", "b")
    home("renew", "b", "c")
    after = {name: home.pins("current", name) for name in "abc"}
    assert after["a"] != before["a"]
    assert after["b"] != before["b"]
    assert after["c"] == before["c"]


def test_require_ack(home: Home) -> None:
    """A rotation waits for every peer that must acknowledge, beyond the hold-down; for this next key only."""
    home.config(
        '[certificate.mx1]\nnames = ["mx1.example"]\nrequire_ack = ["p.example", "q.example"]\n'
        '[[certificate.mx1.file]]\npath = "mx1.pem"\n'
    )
    home("run")
    announced = home.pins("next")
    told = home("rotate", "mx1")
    assert "p.example" in told.out
    assert home.certificate()["state"] == "held"
    (hold,) = home.json("plan")["holds"]
    assert "p.example" in hold["reason"]
    assert home("ack", "mx1", "r.example", code=None).code in (1, 2)
    home("ack", "mx1", "p.example")
    assert home.pins("next") == announced
    (hold,) = home.json("plan")["holds"]
    assert "p.example" not in hold["reason"]
    assert "q.example" in hold["reason"]
    home("ack", "mx1", "q.example")
    home("run")
    assert serving(home) == announced
    # The next one needs acknowledgements of its own.
    home("rotate", "mx1")
    assert home.certificate()["state"] == "held"
    # So does the key that an abort puts in its place.
    home("ack", "mx1", "p.example")
    home("rotate", "mx1", "--abort")
    home("ack", "mx1", "q.example")
    home("rotate", "mx1")
    assert home.certificate()["state"] == "held"
    assert serving(home) == announced


def test_forced_twice(mail: Home) -> None:
    """The second rotation that is forced at once is refused; with --yes, the key that peers knew stays."""
    known, middle = mail.pins("current"), mail.pins("next")
    mail("rotate", "mx1", "--force")
    refused = mail("rotate", "mx1", "--force", code=1)
    assert "generation 2 of mx1 is served only since" in refused.err
    assert "certctl rollback mx1" in refused.err
    assert mail.pins("current") == middle == serving(mail)
    assert not mail.certificate()["rotation_wanted"]
    mail("rotate", "mx1", "--force", "--yes")
    assert mail.pins("previous") == known
    assert set(serving(mail)).isdisjoint(known + middle)
    mail("rollback", "mx1")
    assert serving(mail) == known


def test_who_asked(mail: Home) -> None:
    """The journal names who asked, through sudo too; what the timer does has nobody's name."""
    login = pwd.getpwuid(os.getuid()).pw_name
    expected = "alice" if os.getuid() == 0 else login
    mail("rotate", "mx1", env={"SUDO_USER": "alice"})
    mail("renew", "mx1", env={"SUDO_USER": "alice"})
    events = mail.json("log", "mx1")["events"]
    asked = {event["event"]: event.get("by") for event in events}
    assert asked["rotation-wanted"] == asked["renewal-wanted"] == expected
    assert asked["issue"] is None
    assert f"mx1: rotation-wanted: by {expected}" in mail("log", "mx1").out


def served_leaf(home: Home) -> str:
    """The first certificate in the file that is served."""
    labels, blocks = openssl.read(home / "mx1.pem")
    return blocks[labels.index("CERTIFICATE")]


def test_rollback_of_a_certificate(mail: Home) -> None:
    """The certificate before is served again, files and hooks follow, and no renewal undoes it."""
    before, pins = served_leaf(mail), mail.pins("current")
    mail("renew", "mx1")
    assert served_leaf(mail) != before
    runs = len(mail.lines("runs"))
    mail("rollback", "mx1", "--certificate")
    assert served_leaf(mail) == before
    assert mail.pins("current") == pins
    assert len(mail.lines("runs")) == runs + 1
    held = mail.certificate()
    assert held["state"] == "held"
    mail("run")
    assert served_leaf(mail) == before
    refused = mail("rollback", "mx1", "--certificate", code=1)
    assert "no certificate before" in refused.err
    mail("renew", "mx1")
    assert served_leaf(mail) != before
    assert mail.certificate()["state"] == "ok"


def test_rollback_of_a_certificate_with_other_names(mail: Home) -> None:
    """Names that were added meanwhile do not have it renewed at once: who pins it needs the old one."""
    before = served_leaf(mail)
    mail.edit('names = ["mx1.example"]', 'names = ["mx1.example", "mail.example"]')
    mail("run")
    assert served_leaf(mail) != before
    mail("rollback", "mx1", "--certificate")
    assert served_leaf(mail) == before
    assert ("issue", "mx1") not in mail.steps()
    (hold,) = [hold for hold in mail.json("plan")["holds"] if hold["kind"] == "issue"]
    assert "certctl renew mx1" in hold["reason"]
    assert hold["until"] is not None


def test_rollback_of_a_pinned_certificate(home: Home) -> None:
    """Where certificates are pinned, the one before is a generation of its own, and comes back as well."""
    config = CONFIG.replace('hold_down = "1h"', 'pin = "certificate"').replace("./reload", "true")
    home.config(config)
    home("run")
    before, pins = served_leaf(home), openssl.certificate_spki(served_leaf(home))
    home("renew", "mx1")
    assert served_leaf(home) != before
    assert openssl.certificate_spki(served_leaf(home)) == pins
    home("rollback", "mx1", "--certificate")
    assert served_leaf(home) == before


def test_renewal_says_whose_pins_change(mail: Home) -> None:
    """A renewal keeps the key, and says what to do for those who pin the certificate; -q says nothing."""
    told = mail("renew", "mx1").err
    assert "certctl fingerprints mx1 --of certificate" in told
    assert "certctl rollback mx1 --certificate" in told
    assert mail("renew", "mx1", "-q").err == ""
