"""Any umask, any user: modes are as configured, and what a user may not do is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.home import Home, environment, mode, write
from tests.real.servers import require
from tests.support import memory

NOBODY = 65534
CONFIG = """
[certificate.mx1]
names = ["mx1.example"]
issuer = "private-ca"
[[certificate.mx1.file]]
path = "mx1.pem"
hooks = ["reload"]
[[certificate.mx1.file]]
path = "cert.pem"
parts = ["cert", "chain"]
[dhparam.dh]
path = "dh.pem"
source = "ffdhe"
[hook.reload]
command = ["sh", "-c", "umask"]
"""


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_umask(home: Home, umask: int) -> None:
    """No umask makes a key readable, and none keeps a public file from being so."""
    home.config(CONFIG)
    home("run", umask=umask)
    home("rotate", "mx1", umask=umask)
    assert [mode(home / name) for name in ("mx1.pem", "cert.pem", "dh.pem")] == [0o600, 0o644, 0o644]
    for parent, directories, files in os.walk(home / "state"):
        for name in [".", *directories]:
            path = Path(parent, name)
            assert path.is_symlink() or not mode(path) & 0o022, path
            assert os.access(path, os.R_OK | os.W_OK | os.X_OK)
        for name in files:
            assert not mode(Path(parent, name)) & 0o133, (name, oct(mode(Path(parent, name))))
    assert mode(home / "state") == 0o700
    assert "022" in home.json("hooks")["hooks"][0]["output"]
    assert home.steps() == []


@pytest.fixture
def theirs() -> Iterator[Home]:
    """A home of nobody's own, in which certctl runs as nobody."""
    require.root("running as another user")
    path = Path(tempfile.mkdtemp(prefix="certctl-contract-", dir=memory.PLACE))
    try:
        os.chown(path, NOBODY, NOBODY)
        home = Home(path, ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"))
        started = subprocess.run(
            home.command("--version"), cwd=path, env=environment(), capture_output=True, timeout=60
        )
        if started.returncode:
            pytest.skip("no other user may read this checkout or its virtual environment")
        yield home
    finally:
        shutil.rmtree(path)


def configure(home: Home, text: str) -> None:
    home.config(text)
    os.chown(home / "certctl.toml", NOBODY, NOBODY)


def test_another_user(theirs: Home) -> None:
    """A user without rights can do everything in a directory of his own."""
    configure(theirs, CONFIG)
    theirs("run")
    theirs("rotate", "mx1")
    theirs("rollback", "mx1")
    theirs("renew", "mx1")
    theirs("plan", "--check")
    assert theirs.certificate()["state"] == "ok"
    assert mode(theirs / "mx1.pem") == 0o600
    assert (theirs / "mx1.pem").stat().st_uid == NOBODY


def test_what_a_user_may_not(theirs: Home) -> None:
    """An owner that a user cannot give, and a directory that he cannot write, are said; the rest is done."""
    (theirs / "roots").mkdir(mode=0o755)
    configure(
        theirs,
        """
        [certificate.mx1]
        names = ["mx1.example"]
        [[certificate.mx1.file]]
        path = "given.pem"
        owner = "root"
        [[certificate.mx1.file]]
        path = "roots/mx1.pem"
        [[certificate.mx1.file]]
        path = "mx1.pem"
        """,
    )
    failed = theirs("run", code=1)
    assert str(theirs / "given.pem") in failed.err
    assert str(theirs / "roots/mx1.pem") in failed.err
    assert not (theirs / "given.pem").exists()
    assert os.listdir(theirs / "roots") == []
    assert (theirs / "mx1.pem").exists()


def test_a_state_directory_of_somebody_else(theirs: Home) -> None:
    """A state directory that a user may not read is said by every command, without a traceback."""
    (theirs / "state").mkdir(mode=0o700)
    configure(theirs, CONFIG)
    for command in (["run"], ["status"], ["plan"], ["fingerprints"], ["hooks"], ["log"], ["rotate", "mx1"]):
        failed = theirs(*command, code=1)
        assert str(theirs / "state") in failed.err, command


def test_an_unreadable_configuration(theirs: Home) -> None:
    """A configuration that a user may not read exits 2 with its name."""
    configure(theirs, CONFIG)
    (theirs / "certctl.toml").chmod(0o600)
    os.chown(theirs / "certctl.toml", 0, 0)
    assert str(theirs / "certctl.toml") in theirs("plan", code=2).err


def test_a_loose_state_directory(home: Home) -> None:
    """A state directory that others may read is not left so when keys are put in it."""
    (home / "state").mkdir(mode=0o755)
    (home / "state").chmod(0o777)
    home.config(CONFIG)
    result = home("run", code=None)
    assert result.code in (0, 1)
    if result.code == 0:
        assert mode(home / "state") == 0o700
    else:
        assert "chmod" in result.err


def test_a_state_directory_that_is_not_ones_own(home: Home) -> None:
    """A directory that others use, too, is not closed to them: it is refused, with what to type."""
    shared = home / "state"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "letter.txt").write_text("somebody's")
    home.config(CONFIG)
    refused = home("run", code=1)
    assert "letter.txt" in refused.err
    assert "chmod 0700" in refused.err
    assert mode(shared) == 0o1777
    assert not (shared / "certificates").exists()


def test_a_state_directory_that_others_may_rename(home: Home) -> None:
    """No key is made below a directory that others may write in, unless it is sticky."""
    above = home / "above"
    above.mkdir()
    above.chmod(0o777)
    home.config(CONFIG)
    home.edit('state_dir = "state"', 'state_dir = "above/state"')
    refused = home("run", code=1)
    assert f"{above} may be written by everybody" in refused.err
    assert f"hint: chmod o-w {above}" in refused.err
    assert not list(above.rglob("*.key"))
    above.chmod(0o1777)
    home("run")


def test_a_state_directory_that_is_a_link(home: Home) -> None:
    """A state directory may be a link that its user made."""
    (home / "elsewhere").mkdir(mode=0o700)
    (home / "state").symlink_to("elsewhere")
    home.config(CONFIG)
    home("run")
    assert (home / "elsewhere/live/mx1/bundle.pem").exists()
    home("plan", "--check")


def test_umask_of_init(home: Home) -> None:
    """What init writes can be read by certctl again, whatever the umask was."""
    home("init", "--dir", "new", "mx.example", umask=0o000)
    assert not mode(home / "new/certctl.toml") & 0o022
    home("plan", "--config", "new/certctl.toml")
    write(home / "done", "")
