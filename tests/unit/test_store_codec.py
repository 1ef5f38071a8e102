"""State as JSON: what is written comes back the same, and nothing else is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certctl.errors import StateError
from certctl.planning.state import (
    SLOTS,
    Advice,
    CertificateRecord,
    CertificateState,
    Failure,
    Generation,
    HookState,
    Issuance,
    KeyRecord,
    Observation,
    Wait,
)
from certctl.store import codec, records
from certctl.store.layout import Layout

UTC = timezone.utc
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31, 23), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
RECORDS = st.builds(CertificateRecord, TEXTS, TEXTS, TEXTS, TEXTS, MOMENTS, MOMENTS)
MAYBE = st.one_of(st.none(), MOMENTS)
ADVICE = st.one_of(st.none(), st.builds(Advice, MOMENTS, MOMENTS, MOMENTS, MOMENTS, st.none() | TEXTS))
SEEN = st.dictionaries(TEXTS, st.builds(Observation, MOMENTS, st.floats(0, 1e6)), max_size=2)


def keys(*, issued: bool) -> st.SearchStrategy[tuple[KeyRecord, ...]]:
    certificate = RECORDS if issued else st.none()
    algorithms = st.lists(st.sampled_from(["ecdsa-p256", "rsa-2048", "ed25519"]), min_size=1, unique=True)
    return algorithms.flatmap(
        lambda words: st.tuples(
            *(st.builds(KeyRecord, st.just(word), TEXTS, TEXTS, TEXTS, certificate) for word in words)
        )
    )


def generation(number: int, *, issued: bool) -> st.SearchStrategy[Generation]:
    return st.builds(
        Generation,
        number=st.just(number),
        made_at=MOMENTS,
        keys=keys(issued=issued),
        promoted_at=MAYBE,
        rotates_from=MAYBE,
        issuance=st.integers(1, 9) if issued else st.just(0),
        issued_at=MAYBE,
        issued_by=st.none() | TEXTS,
        names=st.lists(TEXTS, max_size=3).map(tuple),
        seen=SEEN,
        acks=st.dictionaries(TEXTS, MOMENTS, max_size=2),
        advice=ADVICE,
        ask_advice_at=MAYBE,
        highest=st.integers(0, 9),
        before=st.none(),
    )


FAILURES = st.builds(
    Failure, TEXTS, TEXTS, TEXTS, st.none() | TEXTS, MOMENTS, st.integers(1, 99), MAYBE, TEXTS
)
STATES = st.builds(
    CertificateState,
    name=st.just("mx1"),
    current=st.none() | generation(3, issued=True),
    next=st.none() | generation(4, issued=False) | generation(4, issued=True),
    previous=st.none() | generation(2, issued=True),
    retired=st.just((1,)),
    aside=st.dictionaries(st.integers(1, 9), MOMENTS, max_size=1),
    last_number=st.integers(4, 99),
    rotation=st.sampled_from(["", "wanted", "forced"]),
    renewal_wanted=st.booleans(),
    rollback_wanted=st.booleans(),
    held=st.none() | TEXTS,
    failures=st.lists(FAILURES, max_size=2).map(tuple),
    waiting=st.one_of(st.none(), st.builds(Wait, TEXTS, TEXTS, st.none() | MOMENTS)),
    unproved=st.sampled_from(["", "promotion", "renewal", "rollback"]),
)


@given(state=STATES)
def test_round_trip(state: CertificateState) -> None:
    """Every state that certctl can be in comes back from its JSON as it was."""
    assert codec.decode_certificate(json.loads(records.encode(state)), "mx1") == state


@given(
    hook=st.builds(
        HookState,
        st.just("reload"),
        st.dictionaries(TEXTS, TEXTS, max_size=3),
        MAYBE,
        st.none() | st.integers(0, 255),
        TEXTS,
        st.integers(0, 99),
        MAYBE,
        TEXTS,
    )
)
def test_hook_round_trip(hook: HookState) -> None:
    """So does what is remembered of a hook."""
    data = json.loads(json.dumps(codec.encode_hook(hook)))
    assert codec.decode_hook(data, "reload") == hook


NOW = datetime(2026, 11, 24, tzinfo=UTC)
RECORD = CertificateRecord("AA", "BB", "CC", "01", NOW, NOW + timedelta(days=90))
STATE = CertificateState(
    "mx1",
    current=Generation(
        3, NOW, (KeyRecord("ecdsa-p256", "A", "B", "C", RECORD),), issuance=1, names=("mx1.example.org",)
    ),
    next=Generation(4, NOW, (KeyRecord("ecdsa-p256", "D", "E", "F"),)),
    last_number=4,
)


def test_issuance_before() -> None:
    """What was issued before the last renewal is kept, for every key or not at all."""
    before = Issuance(1, NOW, "office", ("mx1.example.org",), (RECORD,))
    assert STATE.current
    state = STATE._replace(current=STATE.current._replace(before=before, issuance=2, highest=2))
    data = json.loads(records.encode(state))
    assert codec.decode_certificate(data, "mx1") == state
    data["current"]["before"]["certificates"] *= 2
    with pytest.raises(codec.MalformedError):
        codec.decode_certificate(data, "mx1")


def test_every_cut(tmp_path: Path) -> None:
    """A state file that ends early, wherever that is, is damaged, and says that it is."""
    layout = Layout(str(tmp_path))
    (tmp_path / "state").mkdir()
    path, whole = Path(layout.state("mx1")), records.encode(STATE)
    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        with pytest.raises(StateError, match=f"{path} is damaged: "):
            records.load(layout, "mx1")
    path.write_bytes(whole)
    assert records.load(layout, "mx1") == STATE


def _of(slot: str, **changed: Any) -> Callable[[dict[str, Any]], object]:
    return lambda state: state[slot].update(changed)


def _but_text(slot: str) -> Callable[[dict[str, Any]], object]:
    return lambda state: state.update({slot: "3"})


def _of_key(**changed: Any) -> Callable[[dict[str, Any]], object]:
    return lambda state: state["current"]["keys"][0].update(changed)


IMPOSSIBLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda state: state.update(version=2),
    "another name": lambda state: state.update(name="mx2"),
    "a number twice": _of("next", number=3),
    "a number beyond the last": lambda state: state.update(last_number=3),
    "no number": _of("current", number=True),
    "a number of no size": _of("current", number=10**30),
    "a negative number": lambda state: state.update(retired=[-1]),
    "served and retired": lambda state: state.update(retired=[3]),
    "served and never issued": lambda state: state.update(current=state["next"], next=None),
    "no keys": _of("next", keys=[]),
    "one algorithm twice": lambda state: state["next"]["keys"].append(state["next"]["keys"][0]),
    "an algorithm that is a path": _of_key(algorithm="../../x"),
    "a NUL in an algorithm": _of_key(algorithm="rsa\x00"),
    "half a character": lambda state: state.update(held="\ud800"),
    "half a character as a name": _of("next", seen={"\ud800": {"at": "2026-11-24T00:00:00Z"}}),
    "a time without zone": _of("next", made_at="2026-11-24T00:00:00"),
    "a time before all": _of("next", made_at="0001-01-01T00:00:00+23:59"),
    "a time after all": _of("next", made_at="9999-12-31T23:59:59-23:59"),
    "a wait without end": _of("next", seen={"x": {"at": "2026-11-24T00:00:00Z", "wait": float("inf")}}),
    "a wait that is no number": _of("next", seen={"x": {"at": "2026-11-24T00:00:00Z", "wait": float("nan")}}),
    "a wish that there is not": lambda state: state.update(rotation="perhaps"),
    "a truth that is text": lambda state: state.update(renewal_wanted="yes"),
    "certificates for some keys": _of("current", issuance=0),
    **{f"no {slot} but text": _but_text(slot) for slot in SLOTS},
}


@pytest.mark.parametrize("name", IMPOSSIBLE, ids=lambda name: name.replace(" ", "-"))
def test_impossible(name: str) -> None:
    """What certctl would never write is damage, however well-formed."""
    data = json.loads(records.encode(STATE))
    IMPOSSIBLE[name](data)
    with pytest.raises(codec.MalformedError):
        codec.decode_certificate(data, "mx1")
