"""Many peers at once: the dead ones cost their own time, not that of the others."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.peers.fetch import fetch
from certctl.peers.follow import Follower
from certctl.planning.spec import PeerSpec
from certctl.system import deadline
from tests.unit.peers_world import Signer, document


@pytest.fixture
def silent() -> Iterator[str]:
    """A place that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/pins"


def peers(tmp_path: Path, silent: str, dead: int, alive: int) -> Follower:
    import json

    signer, found = Signer(), {}
    for number in range(dead + alive):
        name = f"mx{number}.example"
        place = silent
        if number >= dead:
            told = document()
            told["certificates"][0] |= {"names": [name], "nexthops": [f"[{name}]"]}
            place = str(tmp_path / f"{name}.jws")
            Path(place).write_bytes(signer.sign(json.dumps(told).encode()))
        found[name] = PeerSpec(name, place, signer.text, (f"[{name}]",), str(tmp_path / "map"))

    def served(nexthop: str) -> frozenset[str]:
        raise CertctlError(f"nobody looks at {nexthop}")

    return Follower(found, str(tmp_path / "state"), served)


def test_dead_ones_side_by_side(tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty peers that never answer take the time of two, and the living are followed in the same pass."""
    defaults = fetch.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeout", 1.0)
    following, begin = peers(tmp_path, silent, 60, 40), time.monotonic()
    outcomes = following.refresh(datetime.now(timezone.utc))
    assert time.monotonic() - begin < 20  # one after the other it would be a minute
    assert sum(error is not None for error in outcomes.values()) == 60
    assert len(following.lines(str(tmp_path / "map"))) == 40


def test_one_deadline_for_all(tmp_path: Path, silent: str) -> None:
    """When the time of the pass is over, nobody outside is waited for any more."""
    following, begin = peers(tmp_path, silent, 200, 5), time.monotonic()
    now = datetime.now(timezone.utc)
    with deadline.limit(1.0):
        outcomes = following.refresh(now)
    assert time.monotonic() - begin < 15
    assert sum(error is None for error in outcomes.values()) == 5
    assert len(outcomes) == 205
    assert len(following.lines(str(tmp_path / "map"))) == 5


def test_asking_writes_nothing(tmp_path: Path, silent: str) -> None:
    """What was asked is kept by another call; what somebody else kept in between stays."""
    following, now = peers(tmp_path, silent, 0, 2), datetime.now(timezone.utc)
    asked = following.ask(now)
    assert not (tmp_path / "state").exists()
    assert following.lines(str(tmp_path / "map")) == {}
    assert following.keep(asked, now) == {"mx0.example": None, "mx1.example": None}
    later = following.ask(now)
    following.keep(later, now)
    assert following.keep(asked, now) == {}  # judged by what is not the last word any more
