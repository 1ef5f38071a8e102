"""The configuration file as a file: which one it is, and whether it can be trusted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from certctl import config
from certctl.config import file
from certctl.errors import EXIT_USAGE, ConfigError, UsageError

TEXT = '[certificate.a]\nnames = ["a"]\n'


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option goes before the environment, that before the current directory."""
    monkeypatch.chdir(tmp_path)
    environment = {"CERTCTL_CONFIG": "/from/environment.toml"}
    (tmp_path / "certctl.toml").write_text(TEXT)
    assert config.find("/from/option.toml", environment) == "/from/option.toml"
    assert config.find(None, environment) == "/from/environment.toml"
    assert config.find(None, {"CERTCTL_CONFIG": ""}) == "certctl.toml"


def test_find_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then comes the system's own directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file, "SYSTEM_DIRECTORY", f"{tmp_path}/etc")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/certctl.toml").write_text(TEXT)
    assert config.find(None, {}) == f"{tmp_path}/etc/certctl.toml"


def test_find_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing is there, the places are named, and what to type."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file, "SYSTEM_DIRECTORY", f"{tmp_path}/etc")
    with pytest.raises(UsageError) as caught:
        config.find(None, {})
    assert caught.value.exit_code == EXIT_USAGE
    assert "./certctl.toml" in caught.value.message
    assert f"{tmp_path}/etc/certctl.toml" in caught.value.message
    assert caught.value.hint is not None
    assert "certctl init" in caught.value.hint


def write(path: Path, mode: int) -> str:
    path.write_text(TEXT)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o644, 0o444])
def test_safe_modes(tmp_path: Path, mode: int) -> None:
    """Others may read the file if its owner lets them."""
    assert config.load(write(tmp_path / "c.toml", mode)).certificates


@pytest.mark.parametrize("mode", [0o602, 0o646, 0o666])
def test_writable_by_all(tmp_path: Path, mode: int) -> None:
    """A file that everybody may write is refused, with the chmod to type."""
    path = write(tmp_path / "c.toml", mode)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert f"{path}: everybody may write it (its mode is {mode:04o})" in caught.value.message
    assert caught.value.hint == f"type: chmod go-w {path}"


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "refused"),
    [
        (0o100664, 0, 0, True),
        (0o100664, 0, 50, True),
        (0o100644, 0, 50, False),
        (0o100644, os.geteuid(), 50, False),
        (0o100600, os.geteuid() + 1, 0, True),
        (0o100666, 0, 0, True),
    ],
)
def test_owners(mode: int, uid: int, gid: int, refused: bool) -> None:
    """It belongs to root or to who runs certctl, and no group may write it."""
    if not refused:
        file.refuse_unsafe("c.toml", mode, uid, gid)
        return
    with pytest.raises(ConfigError) as caught:
        file.refuse_unsafe("c.toml", mode, uid, gid)
    assert caught.value.hint is not None
    assert "type: ch" in caught.value.hint


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is named, by its whole path."""
    with pytest.raises(ConfigError, match=r"/none\.toml: there is no such file"):
        config.load(f"{tmp_path}/none.toml")


def test_directory(tmp_path: Path) -> None:
    """A directory is no file."""
    with pytest.raises(ConfigError, match="is a directory"):
        config.load(str(tmp_path))


def test_fifo(tmp_path: Path) -> None:
    """A FIFO is refused, and does not hang the reader."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ConfigError, match="no plain file"):
        config.load(f"{tmp_path}/fifo")


def test_unreadable(tmp_path: Path) -> None:
    """What the kernel says of a file that cannot be opened is passed on."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match="loop: cannot be read: too many levels"):
        config.load(f"{tmp_path}/loop")


def test_impossible_path() -> None:
    """A path that no system call takes is an error like any other."""
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load("a\0b")


def test_light(tmp_path: Path) -> None:
    """Loading is on every start's path: what only some files or only errors need is not imported."""
    text = TEXT + 'validity = "90d"\nprobe = ["smtp://127.0.0.1:25"]\n[issuer.le]\ntype = "acme"\n'
    path = tmp_path / "c.toml"
    path.write_text(text + 'agree_tos = true\ndirectory = "letsencrypt"\n')
    path.chmod(0o600)
    program = (
        "import sys; had = set(sys.modules); from certctl import config; config.load(sys.argv[1]);"
        "print(*set(sys.modules) - had)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    late = {"idna", "ipaddress", "difflib", "json", "urllib.parse", "pathlib", "dataclasses", "cryptography"}
    assert not late & set(run.stdout.split())


def test_not_utf8(tmp_path: Path) -> None:
    """Another encoding is told by line and byte."""
    path = tmp_path / "c.toml"
    path.write_bytes(b'# one\n# two\nstate_dir = "m\xfcll"\n')
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="line 3: not UTF-8 \\(byte 0xfc\\)"):
        config.load(str(path))


def test_a_directory_that_others_may_rename(tmp_path: Path) -> None:
    """A file of ours in a directory where others may put another in its place is refused, with the chmod."""
    path = tmp_path / "above/etc/certctl.toml"
    path.parent.mkdir(parents=True)
    path.write_text(TEXT)
    path.chmod(0o600)
    assert file.read(str(path)) == TEXT
    path.parents[1].chmod(0o777)
    with pytest.raises(ConfigError, match=f"{path} is not safe to obey: {path.parents[1]} may be") as caught:
        file.read(str(path))
    assert caught.value.hint == f"chmod o-w {path.parents[1]}"
