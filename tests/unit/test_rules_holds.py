"""What waits, until when and why: a table for certificates, one for the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from certctl.planning.holds import holds
from certctl.planning.observed import AnnouncerSeen, DhparamSeen, FileSeen, HookSeen, PeerSeen, World
from certctl.planning.spec import AnnouncerSpec, CertificateSpec, DhparamSpec, Spec
from certctl.planning.state import DhparamState, Failure, HookState, Wait
from certctl.planning.steps import FAILED as HAS_FAILED
from certctl.planning.steps import STANDBY, WRONG, Hold
from tests.unit.planning_cases import (
    CERT,
    DAY,
    DOUBT,
    HOUR,
    MS,
    NOW,
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
"""All is well, and the standby's hold-down is over NOW."""
YOUNG = state(served(), generation(2, made=-3))
OPEN = NOW + 4 * DAY
"""When the hold-down of the young one is over."""
ANNOUNCED = "the next key was announced 2026-11-21 12:00 UTC, hold-down 7d"
WANTED: dict[str, Any] = {"rotation": "wanted"}
ASKED_FOR = "a rotation was asked for"
UNSEEN = f"{ASKED_FOR}, but the next key has not been seen through feed yet"
URL = "https://ca.example/why"
TOLD = CERT._replace(announce=("feed",))
FEED = AnnouncerSpec("feed", "feed")
SHOWN = AnnouncerSeen({"mx1": "pins"}, {"mx1": "pins"})

Row = tuple[CertificateSpec, World, datetime, list[Hold]]


def hold(kind: str, reason: str, until: datetime | None = None, **more: str) -> Hold:
    return Hold(kind, "mx1", reason, until, **more)


PAUSED = state(served(start=-80, end=10, issued=0), generation(2))
GAVE = "gave a certificate that was due for renewal, 2026-12-04 12:00 UTC"
ADVISED = state(served(advice=advice(NOW + 5 * DAY, URL)), generation(2))
HELD = "until then nothing is promoted, retired or retracted, and no private CA is renewed"
CLOCK = Hold("clock", "clock", f"{DOUBT}; {HELD}", LATER, state=STANDBY)
FAILED = READY._replace(failures=(failure(retry=LATER),))
TAKE_OVER = (
    "take it over: certctl import pem /a --name mx1; "
    "or discard it, which breaks its pins: certctl run --replace-unknown-keys mx1"
)
STRANGE = FileSeen("/a", conflict="/a holds a key that is not in the state")

CERTIFICATE: dict[str, Row] = {
    "all is well": (CERT, world(READY), NOW, []),
    "nothing is there yet": (CERT, world(state()), NOW, []),
    "its state cannot be read": (
        CERT,
        world(FAILED, unreadable="no permission"),
        NOW,
        [hold("issue", "no permission")],
    ),
    "a file holds a key that nobody knows": (
        CERT,
        world(READY, files=(STRANGE,)),
        NOW,
        [hold("write", f"{STRANGE.conflict}; {TAKE_OVER}")],
    ),
    "a person signs": (
        CERT,
        world(READY._replace(waiting=Wait("sign /mx1.csr", ""))),
        NOW,
        [hold("issue", "sign /mx1.csr")],
    ),
    "it failed, a millisecond before the retry": (
        CERT,
        world(FAILED),
        LATER - MS,
        [hold("issue", "failed: no answer", LATER, state=HAS_FAILED)],
    ),
    "it failed, at the retry": (CERT, world(FAILED), LATER, []),
    "rotations wait for a person": (
        CERT,
        world(READY._replace(held="the probe failed")),
        NOW,
        [hold("promote", "the probe failed")],
    ),
    "the CA explains its moment": (
        CERT,
        world(ADVISED),
        NOW + 5 * DAY - MS,
        [
            hold(
                "issue",
                f"the CA advises this moment for its renewal, see {URL}",
                NOW + 5 * DAY,
                state=STANDBY,
            )
        ],
    ),
    "the CA's moment has come": (CERT, world(ADVISED), NOW + 5 * DAY, []),
    "the CA does not explain it": (CERT, world(state(served(advice=advice(LATER)), generation(2))), NOW, []),
    "it was due when it was issued": (CERT, world(PAUSED), NOW, [hold("issue", f"ca {GAVE}", NOW + DAY)]),
    "it was, a millisecond before the pause is over": (
        CERT,
        world(PAUSED),
        NOW + DAY - MS,
        [hold("issue", f"ca {GAVE}", NOW + DAY)],
    ),
    "it was due at that very moment": (
        CERT,
        world(state(served(start=-60, end=30, issued=0), generation(2))),
        NOW,
        [
            hold(
                "issue",
                "ca gave a certificate that was due for renewal, 2026-12-24 12:00 UTC",
                NOW + DAY,
            )
        ],
    ),
    "it was, after the pause": (CERT, world(PAUSED), NOW + DAY, []),
    "it was, and came from who knows where": (
        CERT,
        world(state(served(start=-80, end=10, issued=0, issued_by=None), generation(2))),
        NOW,
        [hold("issue", f"the issuer {GAVE}", NOW + DAY)],
    ),
    "it has no certificate": (CERT, world(state(served(start=None), generation(2))), NOW, []),
    "a standby within its hold-down": (
        CERT,
        world(YOUNG),
        OPEN - MS,
        [hold("promote", ANNOUNCED, OPEN, state=STANDBY)],
    ),
    "a standby after its hold-down": (CERT, world(YOUNG), OPEN, []),
    "a rotation within the hold-down": (
        CERT,
        world(YOUNG._replace(**WANTED)),
        OPEN - MS,
        [hold("promote", f"a rotation was asked for, but {ANNOUNCED}", OPEN)],
    ),
    "a forced one": (CERT, world(YOUNG._replace(rotation="forced")), NOW, []),
    "a rotation that a peer has not acknowledged": (
        CERT._replace(require_ack=("bob",)),
        world(READY._replace(**WANTED)),
        NOW,
        [hold("promote", f"{ASKED_FOR}, but waits for the acknowledgement of bob (certctl ack mx1 PEER)")],
    ),
    "a standby that a peer has not acknowledged": (
        CERT._replace(require_ack=("bob",)),
        world(READY),
        NOW,
        [],
    ),
    "a rotation that an announcer lags for": (
        TOLD,
        world(READY._replace(**WANTED), announcers={"feed": SHOWN._replace(unseen={"mx1": "no file"})}),
        NOW,
        [hold("promote", f"{UNSEEN}: no file"), Hold("announce", "feed", "no file", None)],
    ),
    "a rotation that an announcer failed for": (
        TOLD,
        world(
            READY._replace(**WANTED),
            announcers={"feed": SHOWN._replace(failure=Failure("announce", "feed", "no disk", None, NOW))},
        ),
        NOW,
        [hold("promote", f"{UNSEEN}: no disk")],
    ),
    "a rotation, and its announcer is well": (
        TOLD,
        world(READY._replace(**WANTED), announcers={"feed": SHOWN}),
        NOW,
        [hold("promote", UNSEEN)],
    ),
    "a rotation, and its announcer was not looked at": (
        TOLD,
        world(READY._replace(**WANTED)),
        NOW,
        [hold("promote", UNSEEN)],
    ),
    "a rotation by a clock that is doubted": (
        CERT,
        world(READY._replace(**WANTED), DOUBT, until=LATER),
        NOW,
        [CLOCK, hold("promote", f"a rotation was asked for, but {DOUBT}", LATER)],
    ),
    "a rotation by a clock that a person has to mend": (
        CERT,
        world(READY._replace(**WANTED), DOUBT),
        NOW,
        [CLOCK._replace(until=None), hold("promote", f"a rotation was asked for, but {DOUBT}", state=WRONG)],
    ),
    "retired generations by a clock that is doubted": (
        CERT,
        world(READY._replace(retired=(7,)), DOUBT, until=LATER),
        NOW,
        [CLOCK, hold("retire", DOUBT, LATER)],
    ),
    "retired generations by a clock that a person has to mend": (
        CERT,
        world(READY._replace(retired=(7,)), DOUBT),
        NOW,
        [CLOCK._replace(until=None), hold("retire", DOUBT, state=WRONG)],
    ),
    "nothing but the clock is doubted": (CERT, world(READY, DOUBT, until=LATER), NOW, [CLOCK]),
}


def asked(cert: CertificateSpec) -> Spec:
    return spec(cert, FEED, dhparams={"dh": DhparamSpec("dh", "/dh.pem", rotate_every=86400.0)})


@each(CERTIFICATE)
def test_holds_of_a_certificate(row: Row) -> None:
    """What waits is told with its end, a moment or an act of a person, and with why."""
    cert, host, now, expected = row
    assert list(holds(asked(cert), host, now)) == expected


def test_holds_of_some() -> None:
    """Who asks for one certificate is not told of others, nor of peers."""
    host = world(READY._replace(held="the probe failed"))
    host.peers["bob"] = PeerSeen(failure=Failure("write", "bob", "down", None, NOW))
    assert list(holds(asked(CERT), host, NOW, only=["mx2"])) == []
    assert len(list(holds(asked(CERT), host, NOW, only=["mx1"]))) == 1
    assert len(list(holds(asked(CERT), host, NOW))) == 2


DH = DhparamSeen(DhparamState("dh", made_at=NOW), True, FileSeen("/dh.pem"))
NO_DH = Failure("dhparam", "dh", "no entropy", None, NOW, 1, LATER)
HOOK = HookSeen(HookState("reload", {}, NOW, 1, "", 2, LATER), {"/a": "new"})
DOWN = Failure("announce", "feed", "no disk", None, NOW, 1, LATER)
LESS = SHOWN._replace(shown={"mx1": "more"}, fewer=frozenset({"mx1"}))
OTHERS: dict[str, tuple[str, Any, datetime, str | None, Hold | None]] = {
    "parameters are well": ("dhparams", DH, NOW, None, None),
    "parameters cannot be read": (
        "dhparams",
        DH._replace(unreadable="no permission"),
        NOW,
        None,
        Hold("dhparam", "it", "no permission", None),
    ),
    "parameters failed": (
        "dhparams",
        DH._replace(state=DH.state._replace(failures=(NO_DH,))),
        LATER - MS,
        None,
        Hold("dhparam", "it", "failed: no entropy", LATER, HAS_FAILED),
    ),
    "parameters are tried again": (
        "dhparams",
        DH._replace(state=DH.state._replace(failures=(NO_DH,))),
        LATER,
        None,
        None,
    ),
    "a hook failed": (
        "hooks",
        HOOK,
        LATER - MS,
        None,
        Hold("hook", "it", "failed with exit status 1, attempt 2", LATER, HAS_FAILED),
    ),
    "a hook is tried again": ("hooks", HOOK, LATER, None, None),
    "a hook failed, and its file is back as it was": ("hooks", HOOK._replace(files={}), NOW, None, None),
    "there is no such hook": (
        "hooks",
        HOOK._replace(problem="no hook it"),
        NOW,
        None,
        Hold("hook", "it", "no hook it", None, state=WRONG),
    ),
    "what a hook watches cannot be read": (
        "hooks",
        HOOK._replace(problem="no hook it", unreadable="/a: no permission"),
        NOW,
        None,
        Hold("hook", "it", "/a: no permission", None, state=WRONG),
    ),
    "an announcer failed": (
        "announcers",
        SHOWN._replace(failure=DOWN),
        LATER - MS,
        None,
        Hold("announce", "it", "failed: no disk", LATER, HAS_FAILED),
    ),
    "an announcer is tried again": ("announcers", SHOWN._replace(failure=DOWN), LATER, None, None),
    "pins are over": ("announcers", LESS, NOW, None, None),
    "pins are over by a clock that is doubted": (
        "announcers",
        LESS,
        NOW,
        DOUBT,
        Hold("retract", "it", DOUBT, None, state=WRONG),
    ),
    "a peer is well": ("peers", PeerSeen(NOW, LATER), NOW, None, None),
    "a peer's feed failed": (
        "peers",
        PeerSeen(failure=Failure("write", "it", "its feed expired", None, NOW, 1, LATER)),
        NOW,
        None,
        Hold("write", "it", "failed: its feed expired", LATER, HAS_FAILED),
    ),
}


@each(OTHERS)
def test_holds_of_others(row: tuple[str, Any, datetime, str | None, Hold | None]) -> None:
    """What failed waits for its retry; what is wrong with the host waits for a person."""
    part, seen, now, doubt, expected = row
    host = world(READY, doubt)
    getattr(host, part)["it"] = seen
    plain = asked(CERT)._replace(announcers={"it": FEED})
    assert [one for one in holds(plain, host, now) if one.kind != "clock"] == ([expected] if expected else [])


def test_words_of_others_decide_nothing() -> None:
    """What a person or an issuer has written may begin with any word: it has not failed by that."""
    wait = Wait("failed over to the second desk: sign /mx1.csr", "")
    (found,) = holds(asked(CERT), world(READY._replace(waiting=wait)), NOW)
    assert not found.bad
