"""The next moment at which there may be something to do, and the one word for each certificate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from certctl.planning.condition import condition, trouble, undelivered_through
from certctl.planning.holds import next_moment
from certctl.planning.observed import (
    AnnouncerSeen,
    CertificateSeen,
    DhparamSeen,
    FileSeen,
    HookSeen,
    PeerSeen,
    World,
)
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, DhparamSpec, Spec
from certctl.planning.state import CertificateState, DhparamState, Failure, HookState, Wait
from tests.unit.planning_cases import (
    CERT,
    DAY,
    DOUBT,
    HOUR,
    MINUTE,
    MS,
    NOW,
    PINNED,
    advice,
    each,
    failure,
    generation,
    served,
    spec,
    state,
    world,
)

LATER = NOW + HOUR
READY = state(served(), generation(2, made=-7))
YOUNG = state(served(), generation(2, made=-3))
OPEN = NOW + 4 * DAY
WANTED: dict[str, Any] = {"rotation": "wanted"}
TOLD = CERT._replace(announce=("feed",))
FEED = AnnouncerSpec("feed", "feed")
SHOWN = AnnouncerSeen({"mx1": "pins"}, {"mx1": "pins"})
PAUSED = state(served(start=-80, end=10, issued=0), generation(2))
FAILED = READY._replace(failures=(failure(retry=LATER),))
STRANGE = FileSeen("/a", conflict="/a holds a key that is not in the state")
DH = DhparamSeen(DhparamState("dh", made_at=NOW), True, FileSeen("/dh.pem"))
NO_DH = Failure("dhparam", "dh", "no entropy", None, NOW, 1, LATER)
HOOK = HookSeen(HookState("reload", {}, NOW, 1, "", 2, LATER), {"/a": "new"})
DOWN = Failure("announce", "feed", "no disk", None, NOW, 1, LATER)


def asked(cert: CertificateSpec) -> Spec:
    return spec(cert, FEED, dhparams={"dh": DhparamSpec("dh", "/dh.pem", rotate_every=86400.0)})


# The next moment

ASIDE: dict[str, Any] = {"retired": (7,), "aside": {7: NOW}}
MOMENT: dict[str, tuple[CertificateSpec, World, datetime | None]] = {
    "nothing is there, nothing waits": (CERT, world(state()), None),
    "the renewal": (CERT, world(READY), NOW + 30 * DAY),
    "the rotation": (CERT, world(state(served(end=400), generation(2))), NOW + 70 * DAY),
    "no rotation, it waits for a person": (
        CERT._replace(renew_before=20 * 86400.0),
        world(state(served(end=400), generation(2), held="a probe failed")),
        NOW + 380 * DAY,
    ),
    "the end of the pause": (CERT, world(PAUSED), NOW + DAY),
    "the end of the hold-down that is waited for": (CERT, world(YOUNG._replace(**WANTED)), OPEN),
    "the retry": (CERT, world(FAILED), LATER),
    "what failed without a back-off": (
        CERT,
        world(READY._replace(failures=(failure(at=NOW),))),
        NOW + MINUTE,
    ),
    "the end of a wait": (CERT, world(READY._replace(waiting=Wait("why", "", LATER))), LATER),
    "what was put aside": (CERT, world(READY._replace(**ASIDE)), NOW + 7 * DAY),
    "the CA is asked again": (
        CERT,
        world(state(served(advice=advice(NOW + 9 * DAY)), generation(2))),
        NOW + DAY,
    ),
    "a CA without advice is asked again": (
        CERT,
        world(state(served(ask_advice_at=LATER), generation(2))),
        LATER,
    ),
    "the clock's probation": (CERT, world(READY, DOUBT, until=LATER), LATER),
    "pinned: a hold-down before the renewal": (PINNED, world(state(served())), NOW + 23 * DAY),
    "pinned: a hold-down before the rotation": (PINNED, world(state(served(end=400))), NOW + 63 * DAY),
    "pinned: the successor's hold-down": (
        PINNED,
        world(state(served(), generation(2, start=-3))),
        OPEN,
    ),
    "pinned: the end of what is served": (
        PINNED,
        world(state(served(end=5), generation(2, start=None))),
        NOW + 5 * DAY,
    ),
    "pinned: the successor's own renewal": (
        PINNED,
        world(state(served(), generation(2, start=-50, end=40))),
        NOW + 10 * DAY,
    ),
}


@each(MOMENT)
def test_next_moment(row: tuple[CertificateSpec, World, datetime | None]) -> None:
    """The earliest moment at which there may be something else to do; it is never the present one."""
    cert, host, moment = row
    assert next_moment(asked(cert), host, NOW) == moment
    if moment is not None:
        assert next_moment(asked(cert), host, moment - MS) == moment
        assert next_moment(asked(cert), host, moment) != moment


MOMENT_OF_OTHERS: dict[str, tuple[str, Any, datetime | None]] = {
    "a certificate cannot be read, by the minute": (
        "certificates",
        CertificateSeen(READY, unreadable="no permission"),
        NOW + MINUTE,
    ),
    "its failure has a longer back-off": (
        "certificates",
        CertificateSeen(FAILED, unreadable="no permission"),
        NOW + MINUTE,
    ),
    "parameters are made anew": ("dhparams", DH, NOW + DAY),
    "parameters failed": ("dhparams", DH._replace(state=DH.state._replace(failures=(NO_DH,))), LATER),
    "parameters cannot be read": ("dhparams", DH._replace(unreadable="no permission"), NOW + MINUTE),
    "a hook failed": ("hooks", HOOK, LATER),
    "a hook has nothing to do": ("hooks", HOOK._replace(files={}), None),
    "an announcer is asked again": ("announcers", SHOWN._replace(ask_at=LATER), LATER),
    "an announcer shows all anew": ("announcers", SHOWN._replace(due_at=LATER), LATER),
    "an announcer failed": ("announcers", SHOWN._replace(failure=DOWN), LATER),
    "an announcer is well": ("announcers", SHOWN, None),
    "a peer is fetched": ("peers", PeerSeen(fetch_at=LATER), LATER),
    "a peer failed": (
        "peers",
        PeerSeen(fetch_at=NOW + 2 * HOUR, failure=Failure("write", "bob", "down", None, NOW, 1, LATER)),
        LATER,
    ),
    "a peer failed without a back-off": (
        "peers",
        PeerSeen(fetch_at=LATER, failure=Failure("write", "bob", "down", None, NOW)),
        LATER,
    ),
}


@each(MOMENT_OF_OTHERS)
def test_next_moment_of_others(row: tuple[str, Any, datetime | None]) -> None:
    """Retries, questions and announcements that grow old are moments, too."""
    part, seen, moment = row
    host = world(state())
    getattr(host, part)["mx1" if part == "certificates" else "dh"] = seen
    assert next_moment(asked(CERT), host, NOW) == moment


# The one word, and what is told with it

FOLLOWED = FileSeen("/a", hooks=("reload",), digest="new")
UNTOLD = {"feed": SHOWN._replace(failure=Failure("announce", "feed", "no disk", None, NOW))}
WORD: dict[str, tuple[CertificateSpec, World, datetime, bool, str]] = {
    "nothing is there yet": (CERT, world(state()), NOW, True, "new"),
    "a person signs the first": (CERT, world(state(waiting=Wait("why", ""))), NOW, False, "held"),
    "all is well": (CERT, world(READY), NOW, False, "ok"),
    "the plan has steps": (CERT, world(READY), NOW, True, "due"),
    "a millisecond before its end": (CERT, world(READY), NOW + 60 * DAY - MS, True, "due"),
    "at its end": (CERT, world(READY), NOW + 60 * DAY, True, "expired"),
    "unreadable, and expired": (CERT, world(READY, unreadable="no"), NOW + 60 * DAY, True, "failing"),
    "a step failed": (CERT, world(FAILED), LATER, True, "failing"),
    "a file holds a key that nobody knows": (CERT, world(READY, files=(STRANGE,)), NOW, False, "failing"),
    "its key is lost": (CERT, world(READY, lost=frozenset({"current"})), NOW, True, "failing"),
    "an announcer fails": (TOLD, world(READY, announcers=UNTOLD), NOW, False, "failing"),
    "a person signs a renewal": (CERT, world(READY._replace(waiting=Wait("why", ""))), NOW, True, "held"),
    "rotations wait for a person": (CERT, world(READY._replace(held="why")), NOW, False, "held"),
    "a rotation within the hold-down": (CERT, world(YOUNG._replace(**WANTED)), OPEN - MS, False, "held"),
    "a rotation after it": (CERT, world(YOUNG._replace(**WANTED)), OPEN, True, "due"),
    "a rotation, doubted": (CERT, world(YOUNG._replace(**WANTED), DOUBT), OPEN, False, "held"),
    "a forced one, doubted": (CERT, world(YOUNG._replace(rotation="forced"), DOUBT), NOW, True, "due"),
    "a standby within its hold-down": (CERT, world(YOUNG), NOW, False, "ok"),
}


@each(WORD)
def test_condition(row: tuple[CertificateSpec, World, datetime, bool, str]) -> None:
    """What cannot be mended by the next pass comes before what waits, and that before what is due."""
    cert, host, now, due, word = row
    assert condition(asked(cert), cert, host, now, due) == word


LOST = (
    "the key of generation 1 is missing from disk; the next one takes its place once it may, "
    "or at once: certctl rotate --force mx1"
)
TROUBLE: dict[str, tuple[CertificateSeen, datetime, str | None]] = {
    "all is well": (CertificateSeen(READY), NOW, None),
    "nothing is there yet": (CertificateSeen(state()), NOW, None),
    "a file holds a key that nobody knows": (
        CertificateSeen(state(), files=(FileSeen("/b"), STRANGE)),
        NOW,
        "/a holds a key that is not in the state",
    ),
    "its key is lost": (
        CertificateSeen(READY, lost=frozenset({"current"})),
        NOW,
        LOST,
    ),
    "a millisecond before it is valid": (
        CertificateSeen(READY),
        NOW - 30 * DAY - MS,
        "the certificate is not valid before 2026-10-25 12:00 UTC: is the clock right?",
    ),
    "the moment it is valid": (CertificateSeen(READY), NOW - 30 * DAY, None),
}


@each(TROUBLE)
def test_trouble(row: tuple[CertificateSeen, datetime, str | None]) -> None:
    """What no step can mend at once is told, with what to type."""
    seen, now, why = row
    assert trouble(seen, now) == why


FAILING = HookSeen(HookState("reload", {"/a": "old"}, NOW, 7, "", 1, LATER), {"/a": "new"})
STOPPED: dict[str, tuple[CertificateState, HookSeen | None, dict[str, AnnouncerSeen], str | None]] = {
    "all is well": (READY, FAILING._replace(state=HookState("reload", {"/a": "new"})), {"feed": SHOWN}, None),
    "a hook fails": (
        READY,
        FAILING,
        UNTOLD,
        "hook reload fails with exit status 7: the server may have the old /a",
    ),
    "a hook failed for something else": (
        READY,
        FAILING._replace(state=FAILING.state._replace(delivered={"/a": "new"})),
        {},
        None,
    ),
    "a hook has not run yet": (READY, FAILING._replace(state=HookState("reload")), {}, None),
    "there is no such hook": (READY, None, {}, None),
    "an announcer fails": (READY, None, UNTOLD, "announcer feed fails: no disk"),
}


@each(STOPPED)
def test_undelivered_through(
    row: tuple[CertificateState, HookSeen | None, dict[str, AnnouncerSeen], str | None],
) -> None:
    """What is on disk, and has not reached servers or peers, is told of whom it waits for."""
    one, hook, announcers, why = row
    host = world(one, announcers=announcers, files=(FOLLOWED,))
    if hook is not None:
        host.hooks["reload"] = hook
    assert undelivered_through(host, TOLD) == why
