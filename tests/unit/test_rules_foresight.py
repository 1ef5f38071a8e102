"""What the plan takes a step to do, so that it sees the steps behind it: a table for each kind."""

from __future__ import annotations

from typing import Any

import pytest

from certctl.planning.foresight import assume
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, DhparamSeen, FileSeen, HookSeen, World
from certctl.planning.pins import place
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, FileSpec, HookSpec, Spec
from certctl.planning.state import CertificateState, DhparamState, Failure, HookState, Observation
from certctl.planning.steps import Step
from tests.unit.planning_cases import (
    CERT,
    DAY,
    MS,
    NOW,
    PINNED,
    each,
    generation,
    served,
    spec,
    state,
    world,
)

ANNOUNCERS = {kind: AnnouncerSpec(kind, kind) for kind in ("feed", "policy", "command", "tlsa", "dns")}
FILES = (FileSeen("/live/mx1", hooks=("reload",)), FileSeen("/a.pem", hooks=("reload",), digest="old"))


def asked(cert: CertificateSpec = CERT) -> Spec:
    return spec(
        cert._replace(announce=tuple(ANNOUNCERS), files=(FileSpec("/a.pem"),)),
        *ANNOUNCERS.values(),
        hooks={"reload": HookSpec("reload")},
    )


def before(one: CertificateState, **seen: Any) -> World:
    """A host whose announcers all show what they should, and whose hook has run for all files."""
    shown = AnnouncerSeen({"mx1": "pins"}, {"mx1": "pins"})
    found = world(one, announcers=dict.fromkeys(ANNOUNCERS, shown), files=FILES, **seen)
    found.hooks["reload"] = HookSeen(HookState("reload", {"/a.pem": "old"}), {"/a.pem": "old"})
    return found


def after(step: Step, host: World, cert: CertificateSpec = CERT) -> CertificateSeen:
    assume(asked(cert), host, step, NOW)
    return host.certificates["mx1"]


def step(kind: str, slot: str | None = None, **more: Any) -> Step:
    return Step(kind, "mx1", "why", slot=slot, **more)


def problems(seen: CertificateSeen) -> list[str | None]:
    return [file.problem for file in seen.files]


def changed(host: World) -> set[str]:
    """The announcers that have something else to show."""
    return {name for name, one in host.announcers.items() if one.wanted != one.shown}


# make-key

MADE: dict[str, tuple[CertificateSpec, bool, bool, set[str]]] = {
    "a new key": (CERT, False, False, set(ANNOUNCERS)),
    "a new key, certificates are pinned": (PINNED, False, False, {"tlsa", "dns"}),
    "the keys that are there": (PINNED, True, True, {"tlsa", "dns"}),
}


@each(MADE)
def test_make_key(row: tuple[CertificateSpec, bool, bool, set[str]]) -> None:
    """A key is there, for which nothing was issued; announcers of keys have it to show."""
    cert, reuse, same, announcers = row
    host = before(state(served(), last_number=4), lost=frozenset({"next"}), damaged=frozenset({"next"}))
    seen = after(step("make-key", "next", reuse=reuse), host, cert)
    assert seen.state.next is not None
    assert (seen.state.next.number, seen.state.next.made_at, seen.state.next.issuance) == (5, NOW, 0)
    assert (seen.state.next.keys[0].sha256 == served().keys[0].sha256) is same
    assert not seen.lost | seen.damaged
    assert changed(host) == announcers


def test_no_keys_to_take() -> None:
    """Where no key is served yet there is none to take again: a new one is made."""
    seen = after(step("make-key", "next", reuse=True), before(state(last_number=0)))
    assert seen.state.next is not None
    assert seen.state.next.algorithms == CERT.keys


# issue

ISSUED: dict[str, tuple[CertificateSpec, str, str | None, set[str]]] = {
    "current": (CERT, "current", "holds the certificate before", set()),
    "next": (CERT, "next", None, set()),
    "next, certificates are pinned": (PINNED, "next", None, {"feed", "policy", "command"}),
    "previous": (CERT, "previous", None, set()),
}


@each(ISSUED)
def test_issue(row: tuple[CertificateSpec, str, str | None, set[str]]) -> None:
    """It gets what is configured, from the first issuer; what is served is to be written anew."""
    cert, slot, problem, announcers = row
    damaged = frozenset({"current", "next", "previous"})
    host = before(state(served(2), generation(3), served(1)), damaged=damaged)
    seen = after(step("issue", slot), host, cert)
    new = seen.state.slot(slot)
    assert new is not None
    assert (new.issued_at, new.issued_by, new.names, new.not_after) == (NOW, "ca", CERT.names, NOW + 90 * DAY)
    assert seen.damaged == damaged - {slot}
    assert problems(seen) == [problem, problem]
    assert changed(host) == announcers


# promote, rollback

BOTH_BAD: dict[str, Any] = {"lost": frozenset({"current"}), "damaged": frozenset({"next"})}
TURNED: dict[str, tuple[Step, CertificateState, tuple[set[str], set[str]], list[str]]] = {
    "promote: the first": (
        step("promote", "next"),
        state(None, generation(1)),
        ({"previous"}, {"current"}),
        ["is missing", "is missing"],
    ),
    "promote": (
        step("promote", "next"),
        state(served(2), generation(3), served(1)),
        ({"previous"}, {"current"}),
        ["holds the generation before"] * 2,
    ),
    "promote: forced again, previous stays": (
        step("promote", "next"),
        state(served(2, since=-1, made=-2), generation(3), served(1), rotation="forced"),
        (set(), {"current"}),
        ["holds the generation before"] * 2,
    ),
    "rollback": (
        step("rollback", "previous"),
        state(served(2), generation(3), served(1)),
        ({"previous"}, {"next"}),
        ["holds the generation that was rolled back"] * 2,
    ),
    "rollback: next goes, as it renews what is left": (
        step("rollback", "previous"),
        state(served(2), generation(3)._replace(keys=generation(2).keys), served(1)),
        ({"previous"}, set()),
        ["holds the generation that was rolled back"] * 2,
    ),
}


@each(TURNED)
def test_promote_and_rollback(
    row: tuple[Step, CertificateState, tuple[set[str], set[str]], list[str]],
) -> None:
    """All files are to be written; what is wrong with a generation goes with it into its new slot."""
    due, one, (lost, damaged), files = row
    host = before(one, served_next="/a.pem" if due.kind == "promote" else None, **BOTH_BAD)
    seen = after(due, host)
    assert (set(seen.lost), set(seen.damaged), seen.served_next) == (lost, damaged, None)
    assert problems(seen) == files
    assert changed(host) == {"feed", "command"}


def test_rollback_from_what_next_renews() -> None:
    """The renewal goes, and with it the pin of its certificate; its key is still that of previous."""
    renewed = generation(3)._replace(keys=generation(2).keys)
    host = before(state(served(2), renewed, served(1)))
    assert after(step("rollback", "previous"), host, PINNED).state.next is None
    assert changed(host) == {"feed", "policy", "command"}


def test_the_first_keeps_what_is_wrong_with_files() -> None:
    """A file that has a reason already keeps it."""
    host = before(state(None, generation(1)))
    old = host.certificates["mx1"]
    host.certificates["mx1"] = old._replace(files=(FileSeen("/a.pem", "has mode 0644"),))
    assert problems(after(step("promote", "next"), host)) == ["has mode 0644"]


# write, retire, hook, map


def test_write() -> None:
    """One file is as it should be, and its hooks are due, each time anew."""
    host = before(state(served()))
    bad = tuple(file._replace(problem="is missing") for file in FILES)
    for _ in range(2):
        old = host.certificates["mx1"]
        host.certificates["mx1"] = old._replace(files=bad)
        digest = host.hooks["reload"].files["/a.pem"]
        assert problems(after(step("write", path="/a.pem"), host)) == ["is missing", None]
        assert host.hooks["reload"].files["/a.pem"] != digest


def test_hook() -> None:
    """It has run for what is there, and no back-off is left."""
    host = before(state(served()))
    old = HookState("reload", {"/a.pem": "old"}, attempts=3, retry_at=NOW)
    host.hooks["reload"] = HookSeen(old, {"/a.pem": "new"})
    assume(asked(), host, Step("hook", "reload", "why", scope="hook"), NOW)
    assert host.hooks["reload"].state == HookState("reload", {"/a.pem": "new"})


def test_map() -> None:
    """A policy map is written, and its hooks are due."""
    host = before(state(served()))
    host.maps["/map"] = FileSeen("/map", "is missing", hooks=("reload",))
    assume(asked(), host, Step("write", "/map", "why", scope="map", path="/map"), NOW)
    assert host.maps["/map"].problem is None
    assert "/map" in host.hooks["reload"].files


# announce


SHOWN = AnnouncerSeen({"mx1": "new"}, {"mx1": "new"}, files=(FileSeen("/zone", hooks=("reload",)),))
ANNOUNCED: dict[str, tuple[AnnouncerSeen, bool]] = {
    "it is only asked whether pins can be seen": (SHOWN._replace(unseen={"mx1": "lags"}, ask_at=NOW), False),
    "pins changed": (SHOWN._replace(shown={"mx1": "old"}, fewer=frozenset({"mx1"})), True),
    "its file was gone": (SHOWN._replace(problem="is missing"), True),
    "it failed before": (SHOWN._replace(failure=Failure("announce", "dns", "no", None, NOW)), False),
}


@each(ANNOUNCED)
def test_announce(row: tuple[AnnouncerSeen, bool]) -> None:
    """All is shown and seen from now on; hooks follow where what is shown has changed."""
    seen, hooks = row
    host = before(state(served(), generation(2)))
    host.announcers["dns"] = seen._replace(due_at=NOW, ahead_until=NOW)
    assume(asked(), host, Step("announce", "dns", "why", scope="announcer"), NOW)
    assert host.announcers["dns"] == SHOWN
    assert ("/zone" in host.hooks["reload"].files) is hooks
    found = host.certificates["mx1"].state
    observation = Observation(NOW, 7200.0, place(ANNOUNCERS["dns"]))
    assert found.current is not None
    assert found.next is not None
    assert found.current.seen == found.next.seen == {"dns": observation}


def test_announce_of_nobody() -> None:
    """An announcer that no certificate names shows nothing of them."""
    host = before(state(served()))
    alone = asked()._replace(certificates={"mx1": CERT, "mx2": CERT._replace(announce=("dns",))})
    assume(alone, host, Step("announce", "dns", "why", scope="announcer"), NOW)
    assert host.certificates["mx1"].state == state(served())


# dhparam

OWN = FileSeen("/dh.pem", hooks=("reload",))
DHPARAM: dict[str, tuple[str, str | None, str | None, bool]] = {
    "made, and there is no file": ("dhparam", "is missing", "is missing", False),
    "made anew": ("dhparam", None, "holds the parameters before", True),
    "written": ("write", "is missing", None, True),
}


@each(DHPARAM)
def test_dhparam(row: tuple[str, str | None, str | None, bool]) -> None:
    """New parameters are kept and have to be written; written ones have hooks that follow."""
    kind, problem, left, kept = row
    made = kind == "dhparam"
    host = before(state(served()))
    failed = Failure("dhparam", "dh", "no", None, NOW)
    host.dhparams["dh"] = DhparamSeen(
        DhparamState("dh", failures=(failed,)), kept, OWN._replace(problem=problem)
    )
    assume(asked(), host, Step(kind, "dh", "why", scope="dhparam"), NOW)
    seen = host.dhparams["dh"]
    assert (seen.kept, seen.file.problem) == (True, left)
    assert (seen.state.made_at, seen.state.failures) == ((NOW, ()) if made else (None, (failed,)))
    assert ("/dh.pem" in host.hooks["reload"].files) is not made


@pytest.mark.parametrize("number", [1, 7])
def test_retire(number: int) -> None:
    """The generation is in no list any more; nothing else changes."""
    host = before(state(served(), retired=(1, 7), aside={7: NOW - MS}))
    seen = after(step("retire", generation=number), host)
    assert seen.state.retired == tuple({1, 7} - {number})
    assert changed(host) == set()
