"""Configured files: where they may go, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.errors import CertctlError, StoreError
from certctl.store import outputs
from certctl.store.outputs import Target
from tests.support.strangers import OPEN_TO_NOBODY


def refused(wanted: Target, *words: str) -> None:
    with pytest.raises(StoreError) as caught:
        outputs.check_directory(wanted)
    assert wanted.path in caught.value.message
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_directories(tmp_path: Path) -> None:
    """A directory that is missing, is none, or lets others in is refused, with what to type."""
    place = tmp_path / "tls"
    wanted = Target(f"{place}/mx1.pem", 0o600, secret=True)
    refused(wanted, "does not exist", f"install -d -m 0755 {place}")
    place.write_bytes(b"")
    refused(wanted, "is not a directory")
    place.unlink()
    place.mkdir()
    outputs.check_directory(wanted)
    place.chmod(0o777)
    refused(wanted, "anybody may write", f"chmod o-w {place}")
    place.chmod(0o1777)
    outputs.check_directory(wanted)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away: run the tests as root")
def test_strangers_directory(tmp_path: Path) -> None:
    """A key does not go where another user, or a group of others, could exchange it; a certificate may."""
    place = tmp_path / "tls"
    place.mkdir()
    key, public = Target(f"{place}/key.pem", 0o600, secret=True), Target(f"{place}/cert.pem", 0o644)
    os.chown(place, 65534, -1)
    refused(key, "refused to write a key", f"chown root {place}")
    outputs.check_directory(public)
    os.chown(place, 0, 65534)
    place.chmod(0o775)
    refused(key, "may write in", f"chmod g-w {place}")
    outputs.check_directory(public)


def test_every_directory_above_counts(tmp_path: Path) -> None:
    """A key does not go below a directory that others may rename or fill; a certificate may."""
    place = tmp_path / "above/tls"
    place.mkdir(parents=True)
    key, public = Target(f"{place}/key.pem", 0o600, secret=True), Target(f"{place}/cert.pem", 0o644)
    outputs.check_directory(key)
    place.parent.chmod(0o777)
    with pytest.raises(CertctlError, match=f"{place} is not safe for keys: {place.parent} may be") as caught:
        outputs.check_directory(key)
    assert caught.value.hint == f"chmod o-w {place.parent}"
    outputs.check_directory(public)
    place.parent.chmod(0o1777)
    outputs.check_directory(key)


def test_entries_for_others_are_drift(tmp_path: Path) -> None:
    """A key that an access control list lets others read is written anew."""
    path = tmp_path / "key.pem"
    path.write_bytes(b"secret")
    path.chmod(0o600)
    wanted = Target(str(path), 0o640, secret=True)
    try:
        os.setxattr(path, "system.posix_acl_access", OPEN_TO_NOBODY)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) == "has an access control list"
    outputs.write(wanted, b"secret")
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) is None


def test_attributes(tmp_path: Path) -> None:
    """Kind, mode and owner are compared, in the words of a step's reason."""
    path = tmp_path / "file"
    wanted = Target(str(path), 0o600)
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) == "is missing"
    path.symlink_to("elsewhere")
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) == "is a symlink, not a file"
    path.unlink()
    os.mkfifo(path)
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) == "is not a regular file"
    assert outputs.read(str(path)) is None
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o640)
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) == "has mode 0640, not 0600"
    path.chmod(0o600)
    assert outputs.attributes_problem(wanted, outputs.lstat(str(path))) is None
    other = wanted._replace(uid=os.getuid() + 1)
    assert "belongs to" in str(outputs.attributes_problem(other, outputs.lstat(str(path))))


def test_unknown_owner() -> None:
    """An owner or a group that does not exist is told with the file that it is for."""
    with pytest.raises(CertctlError, match="the owner of /x is to be nobody-at-all"):
        outputs.target("/x", 0o600, "nobody-at-all", None, secret=True)
    with pytest.raises(CertctlError, match="the group of /x is to be no-group-at-all"):
        outputs.target("/x", 0o600, None, "no-group-at-all", secret=True)
    assert outputs.target("/x", 0o600, "0", "0", secret=True)[2:4] == (0, 0)
