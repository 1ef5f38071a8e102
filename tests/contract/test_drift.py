"""Files that were changed, lost or put in a strange place: seen, named in the plan, repaired, reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract import openssl
from tests.contract.home import Home, mode, write
from tests.real.servers import require

CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
issuer = "private-ca"
[[certificate.mx1.file]]
path = "tls/mx1.pem"
hooks = ["reload"]
[[certificate.mx1.file]]
path = "tls/other.pem"
hooks = ["other"]
[dhparam.dh]
path = "tls/dh.pem"
source = "ffdhe"
hooks = ["reload"]
[certificate.mx2]
names = ["mx2.example"]
[[certificate.mx2.file]]
path = "mx2.pem"
[hook.reload]
command = ["./reload"]
[hook.other]
command = ["true"]
"""


@pytest.fixture
def made(home: Home) -> Home:
    """A home whose hook notes which files it was called for."""
    home.script("reload", 'echo "$CERTCTL_FILES" >>"$HERE/runs"')
    (home / "tls").mkdir()
    home.config(CONFIG)
    home("run")
    assert len(home.lines("runs")) == 2
    (home / "runs").unlink()
    return home


def emptied(path: Path) -> None:
    path.write_text("")


def appended(path: Path) -> None:
    with open(path, "a") as file:
        file.write("# edited\n")


def same_size_and_time(path: Path) -> None:
    about = path.stat()
    text = path.read_text()
    path.write_text(text.replace("A", "B", 1))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def removed(path: Path) -> None:
    path.unlink()


def opened(path: Path) -> None:
    path.chmod(0o666)


def closed(path: Path) -> None:
    path.chmod(0o000)


def linked(path: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to("moved")


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def swapped(path: Path) -> None:
    path.unlink()
    write(path, "somebody else's")


DRIFT = [emptied, appended, same_size_and_time, removed, opened, closed, linked, dangling, swapped]


@pytest.mark.parametrize("name", ["tls/mx1.pem", "tls/dh.pem"])
@pytest.mark.parametrize("drift", DRIFT, ids=lambda drift: drift.__name__)
def test_drift(made: Home, drift: Callable[[Path], None], name: str) -> None:
    """Any change to a file is named in the plan with its path, repaired, and followed by its hook alone."""
    path = made / name
    content, bits = path.read_bytes(), mode(path)
    drift(path)
    steps = made.json("plan")["steps"]
    assert [step["kind"] for step in steps][:1] == ["write"]
    assert str(path) in steps[0]["reason"]
    assert {step["subject"] for step in steps} <= {"mx1", "dh", "reload"}
    made("run")
    assert not path.is_symlink()
    assert (path.read_bytes(), mode(path)) == (content, bits)
    assert made.steps() == []
    if any(step["kind"] == "hook" for step in steps):
        assert made.lines("runs") == [str(path)]
    else:
        assert made.lines("runs") == []
    if drift in (emptied, appended, same_size_and_time, removed, swapped):
        assert made.lines("runs") == [str(path)]


def test_a_foreign_link_is_not_followed(made: Home) -> None:
    """What a link points at keeps its content; the link itself is replaced."""
    victim = made / "victim"
    write(victim, "precious")
    (made / "tls/mx1.pem").unlink()
    (made / "tls/mx1.pem").symlink_to(victim)
    made("run")
    assert victim.read_text() == "precious"
    assert not (made / "tls/mx1.pem").is_symlink()


def test_live_is_repaired(made: Home) -> None:
    """live/NAME that was lost or points elsewhere is put right."""
    live = made / "state/live/mx1"
    for spoilt in ("gone", "elsewhere", "directory"):
        live.unlink()
        if spoilt == "elsewhere":
            live.symlink_to("/tmp")
        elif spoilt == "directory":
            live.mkdir()
        assert ("write", "mx1") in made.steps()
        made("run", code=None)
        if live.is_symlink():
            assert openssl.served(live / "bundle.pem") == made.pins("current")[0]
        else:  # a directory that somebody made is not ours to remove
            assert str(live) in made("run", code=1).err
            live.rmdir()
            made("run")
        assert made.steps() == []


def broken(home: Home, *also: str) -> str:
    """Run, and return what is said; mx2 is done all the same."""
    failed = home("run", code=1)
    assert home.certificate("mx2")["state"] == "ok"
    assert (home / "mx2.pem").exists()
    assert "certctl: error: " in failed.err
    for word in also:
        assert word in failed.err, failed.err
    return failed.err


def test_no_parent(home: Home) -> None:
    """A directory that is missing is an error that names it and says what to type; the rest is done."""
    home.script("reload", "true")
    home.config(CONFIG)
    said = broken(home, str(home / "tls"), "hint")
    assert f"install -d -m 0755 {home / 'tls'}" in said
    entry = home.certificate()
    assert entry["state"] == "failing"
    assert str(home / "tls") in entry["last_error"]
    assert (home / "state/live/mx1/bundle.pem").exists()
    (home / "tls").mkdir()
    home("run")
    assert (home / "tls/mx1.pem").exists()
    assert home.certificate()["state"] == "ok"
    assert home.steps() == []


@pytest.mark.parametrize("bits", [0o777, 0o757])
def test_a_parent_that_anybody_may_write(home: Home, bits: int) -> None:
    """No key goes where anybody could put another file in its place; the chmod to type is said."""
    home.script("reload", "true")
    (home / "tls").mkdir()
    (home / "tls").chmod(bits)
    home.config(CONFIG)
    broken(home, str(home / "tls"), "chmod")
    assert not (home / "tls/mx1.pem").exists()
    (home / "tls").chmod(0o755)
    home("run")
    assert (home / "tls/mx1.pem").exists()


def test_a_directory_in_the_way(home: Home) -> None:
    """A directory where a file should be is left, and named."""
    home.script("reload", "true")
    home.config(CONFIG)
    (home / "tls/mx1.pem/sub").mkdir(parents=True)
    broken(home, str(home / "tls/mx1.pem"))
    assert (home / "tls/mx1.pem/sub").is_dir()
    assert (home / "tls/other.pem").exists()


def test_a_file_as_parent(home: Home) -> None:
    """A file where the directory should be is named."""
    home.script("reload", "true")
    write(home / "tls", "a file")
    home.config(CONFIG)
    broken(home, str(home / "tls"))
    assert (home / "tls").read_text() == "a file"


def test_a_read_only_file_system(home: Home) -> None:
    """Where nothing can be written, the file and the reason are named, and the rest is done."""
    require.root("a mount")
    home.script("reload", "true")
    (home / "tls").mkdir()
    home.config(CONFIG)
    mount = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o ro none "$1" && shift && exec "$@"', "sh"]
    inside = Home(home.path, (*mount, str(home / "tls")))
    failed = inside("run", code=1)
    assert str(home / "tls") in failed.err
    assert "read-only" in failed.err.lower()
    assert home.certificate("mx2")["state"] == "ok"


def test_a_device_in_the_way(home: Home) -> None:
    """A FIFO where a file should be neither hangs a pass nor receives a key."""
    home.script("reload", "true")
    (home / "tls").mkdir()
    os.mkfifo(home / "tls/mx1.pem")
    home.config(CONFIG)
    home("plan")
    home("run", code=None)
    assert home.certificate("mx2")["state"] == "ok"


def test_changed_and_put_back(made: Home) -> None:
    """A file that was changed and put back is as it should be: nothing is due."""
    path = made / "tls/mx1.pem"
    content = path.read_bytes()
    path.write_bytes(b"x")
    path.write_bytes(content)
    path.chmod(0o600)
    assert made.steps() == []


@pytest.mark.parametrize("part", ["ecdsa-p256.key", "issued-1/fullchain.pem", "issued-1/root.pem"])
def test_nothing_damaged_is_passed_on(made: Home, part: str) -> None:
    """A file that is written again has the right content, even where the kept copy rotted meanwhile."""
    path = made / "tls/mx1.pem"
    before = path.read_bytes()
    kept = made / "state/certificates/mx1/1" / part
    sound = kept.read_bytes()
    same_size_and_time(kept)
    assert kept.read_bytes() != sound
    path.unlink()
    made("run")
    assert path.read_bytes() == (made / "state/live/mx1/bundle.pem").read_bytes()
    if part.endswith("root.pem"):
        # Nothing else holds the root: the issuer told it once more, with a certificate for the same key.
        assert (made / "state/live/mx1/root.pem").read_bytes() == sound
    else:
        assert path.read_bytes() == before
        assert kept.read_bytes() == sound
    assert made("plan", "--check").code == 0
