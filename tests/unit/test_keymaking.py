"""Keys of several certificates are made together, and every one is handed out once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from certctl.engine.keymaking import AHEAD, for_all
from certctl.errors import CertctlError


class Maker:
    """Makes keys that are numbered, and remembers how many it was asked for at a time."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.count = 0
        self.broken = False

    def __call__(self, algorithms: Sequence[str]) -> list[bytes]:
        self.asked.append(list(algorithms))
        if self.broken:
            raise CertctlError("no entropy")
        made = [f"{algorithm} {self.count + at}".encode() for at, algorithm in enumerate(algorithms)]
        self.count += len(algorithms)
        return made


def test_several_at_once() -> None:
    """What certificates ask for one by one is made in batches, and no more than is wanted."""
    make, wanted = Maker(), [("rsa-2048", "ed25519")] * (AHEAD + 3)
    get = for_all(make, wanted)
    got = [key for algorithms in wanted for key in get(algorithms)]
    assert [key.split()[0].decode() for key in got] == [a for algorithms in wanted for a in algorithms]
    assert len(set(got)) == len(got) == make.count
    assert sorted(map(len, make.asked)) == [3, 3, AHEAD, AHEAD]


def test_more_than_was_foreseen() -> None:
    """Who asks for what was not foreseen gets it all the same."""
    make = Maker()
    get = for_all(make, [("ed25519",)])
    assert len({*get(["ed25519"]), *get(["ed25519"]), *get(["rsa-4096"])}) == 3


def test_a_failure_is_of_who_asked() -> None:
    """When keys cannot be made, whoever asks next tries again."""
    make = Maker()
    get = for_all(make, [("rsa-2048",)] * 2)
    make.broken = True
    with pytest.raises(CertctlError, match="no entropy"):
        get(["rsa-2048"])
    make.broken = False
    assert get(["rsa-2048"]) != get(["rsa-2048"])
    assert [len(asked) for asked in make.asked] == [2, 2]
