"""Hooks, DH parameters and policy maps: when they are due, and why; announcers have a page of their own."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from certctl.planning.host_rules import announce_step, dhparam_due, dhparam_steps, hook_step, map_step, served
from certctl.planning.observed import AnnouncerSeen, CertificateSeen, DhparamSeen, FileSeen, HookSeen
from certctl.planning.spec import AnnouncerSpec, DhparamSpec
from certctl.planning.state import DhparamState, HookState
from tests.unit.planning_cases import CERT, DOUBT, MS, NOW, each, spec, state, told, world
from tests.unit.planning_cases import served as current

HOOK: dict[str, tuple[HookSeen, str | None]] = {
    "it ran for what is there": (HookSeen(HookState("it", {"/a": "1"}), {"/a": "1"}), None),
    "nothing is there": (HookSeen(HookState("it")), None),
    "a file changed": (HookSeen(HookState("it", {"/a": "1"}), {"/a": "2"}), "/a changed"),
    "a watched file is gone": (HookSeen(HookState("it", {"/a": "1"}), {"/a": ""}), "/a changed"),
    "three files changed": (
        HookSeen(HookState("it"), dict.fromkeys(("/a", "/b", "/c"), "1")),
        "/a, /b, /c changed",
    ),
    "five files changed": (
        HookSeen(HookState("it"), dict.fromkeys(("/a", "/b", "/c", "/d", "/e"), "1")),
        "/a, /b, /c and 2 more changed",
    ),
    "it failed before": (
        HookSeen(HookState("it", attempts=2, exit_status=75), {"/a": "1"}),
        "/a changed; attempt 3 after exit status 75",
    ),
    "it was cut short before": (
        HookSeen(HookState("it", attempts=1), {"/a": "1"}),
        "/a changed; attempt 2 after one that was cut short",
    ),
}


@each(HOOK)
def test_hook(row: tuple[HookSeen, str | None]) -> None:
    """A hook is due as long as what is there is not what it last ran for, however often it failed."""
    seen, reason = row
    step = hook_step("it", seen)
    assert (step and (step.kind, step.scope, step.reason)) == (reason and ("hook", "hook", reason))


DH = DhparamSpec("dh", "/dh.pem", rotate_every=86400.0)
KEPT = DhparamState("dh", "digest", 2048, "generate", NOW)
GOOD, BAD = FileSeen("/dh.pem"), FileSeen("/dh.pem", "is missing")
END = NOW + timedelta(days=1)
DHPARAM: dict[str, tuple[DhparamSpec, DhparamSeen, datetime, list[tuple[str, str | None, str]]]] = {
    "all is well": (DH, DhparamSeen(KEPT, True, GOOD), NOW, []),
    "the file is not": (
        DH,
        DhparamSeen(KEPT, True, BAD),
        NOW,
        [("write", "/dh.pem", "/dh.pem is missing")],
    ),
    "there are none": (
        DH,
        DhparamSeen(DhparamState("dh"), False, BAD),
        NOW,
        [("dhparam", None, "there are no parameters yet")],
    ),
    "more bits are configured": (
        DH._replace(bits=3072),
        DhparamSeen(KEPT, False, GOOD),
        NOW,
        [("dhparam", None, "configured are 3072 bits (generate), kept are 2048 bits (generate)")],
    ),
    "another source is configured": (
        DH._replace(source="ffdhe"),
        DhparamSeen(KEPT, False, GOOD),
        NOW,
        [("dhparam", None, "configured are 2048 bits (ffdhe), kept are 2048 bits (generate)")],
    ),
    "they are lost": (
        DH,
        DhparamSeen(KEPT, False, BAD),
        NOW,
        [("dhparam", None, "the parameters that were kept are missing or damaged")],
    ),
    "a millisecond before rotate_every is over": (DH, DhparamSeen(KEPT, True, GOOD), END - MS, []),
    "rotate_every is over": (
        DH,
        DhparamSeen(KEPT, True, GOOD),
        END,
        [("dhparam", None, "made 2026-11-24 12:00 UTC, rotate_every 1d")],
    ),
    "rotate_every is over, and the file is bad": (
        DH,
        DhparamSeen(KEPT, True, BAD),
        END,
        [
            ("write", "/dh.pem", "/dh.pem is missing"),
            ("dhparam", None, "made 2026-11-24 12:00 UTC, rotate_every 1d"),
        ],
    ),
    "rotate_every is never": (DH._replace(rotate_every=None), DhparamSeen(KEPT, True, GOOD), END, []),
    "those of RFC 7919 do not grow old": (
        DH._replace(source="ffdhe"),
        DhparamSeen(KEPT, True, GOOD),
        END,
        [],
    ),
    "they cannot be read": (DH, DhparamSeen(KEPT, False, BAD, "no permission"), END, []),
}


@each(DHPARAM)
def test_dhparam(
    row: tuple[DhparamSpec, DhparamSeen, datetime, list[tuple[str, str | None, str]]],
) -> None:
    """Parameters are made where none fit, and anew when they are old; a file is written for its content."""
    asked, seen, now, steps = row
    assert told(dhparam_steps(asked, seen, now)) == steps


def test_age_of_what_was_never_made() -> None:
    """Parameters of which nobody knows when they were made do not grow old."""
    assert dhparam_due(DH, DhparamSeen(KEPT._replace(made_at=None), True, GOOD)) is None


@pytest.mark.parametrize(("problem", "reason"), [(None, None), ("is missing", "it is missing")])
def test_map(problem: str | None, reason: str | None) -> None:
    """A policy map is written where it is not as it should be."""
    step = map_step(FileSeen("/map", problem))
    assert (step and (step.kind, step.path, step.reason)) == (reason and ("write", "/map", reason))


SERVED: dict[str, tuple[FileSeen, dict[str, str], bool]] = {
    "the hook ran for it": (FileSeen("/a", None, ("it",), "new"), {"/a": "new"}, True),
    "the hook has yet to run": (FileSeen("/a", None, ("it",), "new"), {"/a": "old"}, False),
    "the file has yet to be written": (FileSeen("/a", "is missing", ("it",), "new"), {"/a": "new"}, False),
    "nothing follows it": (FileSeen("/a", None, (), "new"), {}, True),
    "its hook is not configured": (FileSeen("/a", None, ("gone",), "new"), {}, True),
    "there is no content": (FileSeen("/a", None, ("it",), None), {}, True),
}


@each(SERVED)
def test_served(row: tuple[FileSeen, dict[str, str], bool]) -> None:
    """What is in the files is served once all are written and all hooks ran."""
    file, delivered, expected = row
    hooks = {"it": HookSeen(HookState("it", delivered))}
    assert served(CertificateSeen(state(current()), (file,)), hooks) is expected


RETRACT: dict[str, tuple[str | None, dict[str, str], str | None]] = {
    "pins are over": (None, {"mx1": "two"}, "retract"),
    "pins are over by a clock that is doubted": (DOUBT, {"mx1": "two"}, None),
    "a certificate is no more": (None, {"mx1": "one", "old": "x"}, "retract"),
    "a certificate is no more, doubted": (DOUBT, {"mx1": "one", "old": "x"}, None),
}


@each(RETRACT)
def test_retract(row: tuple[str | None, dict[str, str], str | None]) -> None:
    """Nothing is taken back from peers by a clock that is not believed."""
    doubt, shown, kind = row
    seen = AnnouncerSeen({"mx1": "one"}, shown, fewer=frozenset({"mx1"}))
    step = announce_step(
        spec(CERT, AnnouncerSpec("feed", "feed")),
        world(state(), doubt, announcers={"feed": seen}),
        "feed",
        NOW,
    )
    assert (step and step.kind) == kind
