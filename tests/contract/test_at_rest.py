"""With many certificates a pass at rest looks at files only; nobody can tell, but by the time it takes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.home import Home

COUNT = 20
CERTIFICATE = """\
[certificate.c{0}]
names = ["c{0}.example.org"]
issuer = "self-signed"
hooks = ["note"]
announce = ["told"]
[[certificate.c{0}.file]]
path = "out/c{0}.pem"
hooks = ["note"]
"""
HOOK = """\
[announce.told]
type = "policy"
path = "out/policy"
[watch.map]
paths = ["map"]
hooks = ["note"]
[hook.note]
command = ["sh", "-c", "echo >>ran"]
"""
CACHE = "state/cache/settled.json"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates enough for the cache to be kept, all of them done."""
    home = Home(tmp_path_factory.mktemp("many") / "home")
    home.path.mkdir(mode=0o755)
    (home / "out").mkdir()
    (home / "map").write_text("a b\n")
    home.config(HOOK.replace("ran", str(home / "ran")) + "".join(map(CERTIFICATE.format, range(COUNT))))
    home("run")
    return home.path


@pytest.fixture
def home(many: Path) -> Home:
    """The same home for every test, at rest, and known to be."""
    home = Home(many)
    at_rest(home)
    return home


def at_rest(home: Home) -> None:
    """Run passes until one keeps that there is nothing to do: files have to be older than a moment."""
    end = time.monotonic() + 60
    shutil.rmtree(home / "state/cache", ignore_errors=True)
    while not (home / CACHE).exists():
        assert time.monotonic() < end
        home("run")
        time.sleep(0.05)
    assert quick(home)


def quick(home: Home) -> bool:
    """Whether a pass is answered by the cache alone, told by a planted moment that only the cache has."""
    data = json.loads((home / CACHE).read_text())
    planted = float(int(time.time()) + 7 * 86400)
    (home / CACHE).write_text(json.dumps({**data, "until": planted}))
    told = time.strftime("%Y-%m-%d %H:%M", time.gmtime(planted))
    answer = home("run")
    (home / CACHE).write_text(json.dumps(data))
    return "nothing to do" in answer.text and told in answer.text


def same_size_and_time(path: Path) -> None:
    info, data = path.stat(), path.read_bytes()
    path.write_bytes(data[::-1])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@pytest.mark.parametrize(
    ("path", "spoil"),
    [
        ("out/c7.pem", Path.unlink),
        ("out/c7.pem", same_size_and_time),
        ("out/c19.pem", lambda path: path.chmod(0o644)),
        ("out/policy", same_size_and_time),
        ("state/live/c7/bundle.pem", same_size_and_time),
        ("state/live/c0/bundle.pem", lambda path: path.parent.unlink()),
    ],
)
def test_what_is_spoilt_is_repaired_by_the_next_pass(
    home: Home, path: str, spoil: Callable[[Path], None]
) -> None:
    """Drift is seen at once, however it came about, and the hook runs."""
    before = (home / path).resolve().read_bytes()
    spoil(home / path)
    home("run")
    assert (home / path).resolve().read_bytes() == before
    assert home.json("plan")["steps"] == []


def test_a_state_that_is_gone_is_put_together_again(home: Home) -> None:
    """The next pass sees it, too."""
    state = home / "state/state/c3.json"
    state.unlink()
    home("run")
    assert json.loads(state.read_text())["current"]


def test_a_change_of_the_configuration_is_done_at_once(home: Home) -> None:
    """A new name makes the certificate due."""
    home.edit('"c5.example.org"', '"c5.example.org", "www.example.org"')
    home("run")
    assert "www.example.org" in home.certificate("c5")["names"]
    home.edit('"c5.example.org", "www.example.org"', '"c5.example.org"')
    home("run")


def test_a_watched_file_runs_its_hook(home: Home) -> None:
    """What others write counts as well."""
    before = len((home / "ran").read_text())
    (home / "map").write_text("a c\n")
    home("run")
    assert len((home / "ran").read_text()) == before + 1
    home("run")
    assert len((home / "ran").read_text()) == before + 1


def test_a_wish_is_granted(home: Home) -> None:
    """renew and rotate act on a home at rest."""
    before = home.certificate("c9")["current"]["keys"][0]["serial"]
    home("renew", "c9")
    assert home.certificate("c9")["current"]["keys"][0]["serial"] != before


def test_the_moment_that_was_told_ends_the_rest(home: Home) -> None:
    """When it has come, a pass plans again."""
    data = json.loads((home / CACHE).read_text())
    (home / CACHE).write_text(json.dumps({**data, "until": time.time() - 1}))
    home("run")
    assert json.loads((home / CACHE).read_text())["until"] == data["until"]


def test_another_certctl_at_work_is_told_of(home: Home) -> None:
    """The lock counts for a pass that would do nothing, too."""
    with open(home / "state/lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home("run", "--wait", "0", code=75)


def test_json_and_names_are_answered_in_full(home: Home) -> None:
    """Who asks for more than that nothing is to be done gets it."""
    assert home.json("run")["next_pass_at"]
    assert "nothing to do" in home("run", "c1", "c2").text


def test_a_cache_that_cannot_be_kept_fails_nothing(home: Home) -> None:
    """It is only slower; -v tells why."""
    shutil.rmtree(home / "state/cache")
    (home / "state/cache").mkdir()
    (home / "state/cache/.settled.json.certctl-tmp").mkdir()
    assert "nothing to do" in home("run").text
    shutil.rmtree(home / "state/cache")
