"""The pause that a CA asks for: kept across processes, an hour at most, and forgotten when it is over."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from certctl.errors import CertctlError
from certctl.issuers.acme.pace import Pause
from certctl.planning.times import rfc3339

CA = "https://ca.test/dir"


def left(pause: Pause) -> float:
    """Return the seconds that are left of it; 0 if it holds nobody back."""
    try:
        pause.check()
    except CertctlError as error:
        assert error.retry_after
        return error.retry_after
    return 0.0


def kept(home: Path, until: timedelta, directory: str = CA) -> Path:
    """Write what an earlier process would have left."""
    path = home / "pause.json"
    moment = rfc3339(datetime.now(timezone.utc) + until)
    path.write_text(json.dumps({"directory": directory, "until": moment, "why": "too many"}))
    return path


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 60), (120.0, 120), (604800.0, 3600)])
def test_kept_for_other_processes(tmp_path: Path, wanted: float | None, seconds: int) -> None:
    """As long as the CA says, a minute if it does not say, an hour at most; with its words."""
    home = tmp_path / "issuers/ca"
    Pause("ca", CA, str(home)).note(wanted, "slow down (rateLimited)")
    other = Pause("ca", CA, str(home))
    assert seconds - 30 < left(other) <= seconds
    with pytest.raises(CertctlError, match=r"ca asked for a pause, .* are left: slow down \(rateLimited\)"):
        other.check()
    assert (home / "pause.json").stat().st_mode & 0o777 == 0o600


def test_the_longer_counts(tmp_path: Path) -> None:
    """A shorter wish does not end a longer one."""
    pause = Pause("ca", CA, str(tmp_path))
    pause.note(600.0, "a")
    pause.note(5.0, "b")
    assert left(pause) > 500
    pause.note(1200.0, "c")
    assert left(Pause("ca", CA, str(tmp_path))) > 1100


@pytest.mark.parametrize("until", [timedelta(seconds=-1), timedelta(days=2)], ids=["over", "clock set back"])
def test_over(tmp_path: Path, until: timedelta) -> None:
    """One that is over, or that no CA can have asked for, is taken away."""
    path = kept(tmp_path, until)
    assert left(Pause("ca", CA, str(tmp_path))) == 0
    assert not path.exists()


def test_other_ca(tmp_path: Path) -> None:
    """An issuer that was pointed at another CA owes it nothing."""
    kept(tmp_path, timedelta(minutes=5), "https://other.test/dir")
    assert left(Pause("ca", CA, str(tmp_path))) == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"directory": 1, "until": 2, "why": 3}', "\0"])
def test_damaged(tmp_path: Path, text: str) -> None:
    """A damaged file says nothing, and the next pause writes it anew."""
    (tmp_path / "pause.json").write_text(text)
    pause = Pause("ca", CA, str(tmp_path))
    assert left(pause) == 0
    pause.note(60.0, "again")
    assert left(Pause("ca", CA, str(tmp_path))) > 30


def test_disk_that_takes_nothing(tmp_path: Path) -> None:
    """The pause holds in this process, and nothing else is raised in its place."""
    (tmp_path / "home").write_text("a file where the directory should be")
    pause = Pause("ca", CA, str(tmp_path / "home"))
    pause.note(60.0, "slow down")
    assert left(pause) > 30
