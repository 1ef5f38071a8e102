"""The one reader of files: what is missing is None, what cannot be read is an error, and nothing hangs."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from certctl.errors import UnreadableError
from certctl.system import files


def test_reads_a_file_whole(tmp_path: Path) -> None:
    """What is there is what comes back, an empty file included."""
    path = tmp_path / "a"
    for data in (b"", b"x", os.urandom(100_000)):
        path.write_bytes(data)
        assert files.read_file(str(path)) == data


@pytest.mark.parametrize("missing", ["gone", "file/below"])
def test_missing_is_none(tmp_path: Path, missing: str) -> None:
    """Only what the kernel says is not there counts as missing."""
    (tmp_path / "file").write_bytes(b"")
    assert files.read_file(str(tmp_path / missing)) is None
    assert files.entries(str(tmp_path / missing)) == []
    assert files.link_target(str(tmp_path / missing)) is None


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ESTALE, errno.ENOMEM])
@pytest.mark.parametrize("read", [files.read_file, files.entries, files.link_target])
def test_unreadable_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, read: Callable[[str], object]
) -> None:
    """Every other answer of the system is an error that names the path and the errno."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    for name in ("open", "listdir", "readlink"):
        monkeypatch.setattr(os, name, refuse)
    with pytest.raises(UnreadableError) as caught:
        read(str(tmp_path / "key"))
    assert caught.value.errno == code
    assert f"{tmp_path}/key" in caught.value.message
    assert errno.errorcode[code] in caught.value.message


def test_a_trap_is_an_error(tmp_path: Path) -> None:
    """A FIFO does not hang, a device is not read without end, a link is not followed unasked."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "link").symlink_to("file")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, tmp_path / "link"):
        with pytest.raises(UnreadableError):
            files.read_file(str(path))
    assert files.read_file(str(tmp_path / "link"), follow=True) == b"data"


def test_size_is_bounded(tmp_path: Path) -> None:
    """A file above the limit is refused, also one that does not say its size."""
    (tmp_path / "large").write_bytes(bytes(101))
    with pytest.raises(UnreadableError, match="more than 100 bytes"):
        files.read_file(str(tmp_path / "large"), most=100)
    with pytest.raises(UnreadableError, match="more than 10 bytes"):
        files.read_file("/proc/self/status", most=10)
    assert files.read_file("/proc/self/status")
