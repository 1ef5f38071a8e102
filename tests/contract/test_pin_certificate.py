"""pin = "certificate": each certificate is shown for the hold-down before it is served."""

from __future__ import annotations

import time

from tests.contract import openssl
from tests.contract.home import Home, moment, until_held, until_moment

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
pin = "certificate"
hold_down = "1h"
[[certificate.mx1.file]]
path = "mx1.pem"
"""


def serving(home: Home) -> str:
    """The certificate fingerprint of what is served."""
    return openssl.colons(openssl.der(openssl.read(home / "mx1.pem")[1][1]))


def shown(home: Home, slot: str) -> list[str]:
    return home.pins(slot)


def test_fingerprints_are_of_certificates(home: Home) -> None:
    """What is pinned is shown: the certificate that is served, and the next one from when it is issued."""
    home.config(CONFIG)
    home("run")
    entry = home.certificate()
    assert shown(home, "current") == [serving(home)] == [entry["current"]["keys"][0]["certificate_sha256"]]
    home("rotate", "mx1")
    entry = home.certificate()
    listed = home.json("fingerprints")["fingerprints"]
    assert {found["of"] for found in listed} == {"certificate"}
    assert [found["slot"] for found in listed] == ["current", "next"]
    assert listed[1]["fingerprint"] == entry["next"]["keys"][0]["certificate_sha256"]


def test_rotation_serves_what_was_shown(home: Home) -> None:
    """A rotation is held, and then serves the very certificate that had been shown."""
    home.config(CONFIG)
    home("run")
    before = serving(home)
    home("rotate", "mx1")
    (announced,) = shown(home, "next")
    assert home.certificate()["state"] == "held"
    assert serving(home) == before
    home.edit('"1h"', '"0s"')
    home("run")
    assert serving(home) == announced


def test_renew_is_held(home: Home) -> None:
    """A renewal that was asked for waits for the hold-down, shown meanwhile, and is served afterwards."""
    home.config(CONFIG)
    home("run")
    before = serving(home)
    told = home("renew", "mx1")
    assert "held" in told.text
    assert serving(home) == before
    assert home("run").code == 0
    assert serving(home) == before
    announced = shown(home, "all")
    home.edit('"1h"', '"0s"')
    home("run")
    assert serving(home) != before
    assert serving(home) in announced


def test_never_served_unseen(home: Home) -> None:
    """Through renewals by time, nothing is served that was not shown for the hold-down."""
    home.config(CONFIG.replace('"1h"', '"1s"\nvalidity = "10m"\nrenew_before = "596s"'))
    home("run")
    first_shown: dict[str, float] = {}
    served: list[str] = []
    end = time.monotonic() + 9
    while time.monotonic() < end:
        home("run", "-q")
        entry = home.certificate()
        for slot in ("current", "next", "previous"):
            for key in (entry[slot] or {"keys": []})["keys"]:
                if key["certificate_sha256"]:
                    at = moment(entry[slot]["announced_at"]).timestamp()
                    first_shown.setdefault(key["certificate_sha256"], at)
        if serving(home) not in served:
            served.append(serving(home))
            promoted = moment(entry["current"]["promoted_at"]).timestamp()
            if len(served) > 1:
                assert promoted - first_shown[served[-1]] >= 1
    assert len(served) >= 2


def test_renewed_before_it_expires(home: Home) -> None:
    """The renewal begins a hold-down early, so that the new certificate is served before the old one ends."""
    home.config(CONFIG.replace('"1h"', '"3s"\nvalidity = "11s"\nrenew_before = "5s"'))
    home("run")
    first = home.certificate()
    planned = moment(home.json("plan")["next_pass_at"])
    assert (moment(first["current"]["keys"][0]["not_after"]) - planned).total_seconds() >= 8
    until_moment(home.json("plan")["next_pass_at"])
    home("run")
    (announced,) = shown(home, "next")
    assert serving(home) == first["current"]["keys"][0]["certificate_sha256"]
    until_held(home)
    home("run")
    assert serving(home) == announced
    old = moment(first["current"]["keys"][0]["not_after"])
    assert moment(home.certificate()["current"]["promoted_at"]) < old


def test_forced_before_there_is_a_next(home: Home) -> None:
    """Where no next generation stands ready, a forced rotation says that every pin breaks."""
    home.config('[certificate.mx1]\nnames = ["mx1.example"]\npin = "certificate"\nhold_down = "1h"\n')
    home("run")
    assert home.certificate()["next"] is None
    assert "mx1: whoever pins it breaks" in home("rotate", "mx1", "--force").err
