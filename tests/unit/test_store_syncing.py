"""One wait for the whole file system only where it is known to take everything along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certctl.store import atomic, syncing
from tests.support import crash

FUSE, NFS, EXT4, XFS, TMPFS = 0x65735546, 0x6969, 0xEF53, 0x58465342, 0x01021994


@pytest.mark.parametrize("kind", [FUSE, NFS, 0, EXT4, XFS, TMPFS], ids=hex)
def test_who_obeys(tmp_path: Path, kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is not known to obey syncfs(2) gets each file and directory synced by itself."""
    monkeypatch.setattr(syncing, "filesystem_type", lambda _: kind)
    batch = atomic.Batch().tree(
        f"{tmp_path}/1", [("key", b"secret", 0o600), ("inner/cert", b"public", 0o644)]
    )
    with crash.watching(lambda *_: None) as seen:
        atomic.commit(batch.file(f"{tmp_path}/state", b"{}", 0o600))
    syncs = [operation for operation in seen if "sync" in operation.name]
    before = syncs[:-1]
    assert (syncs[-1].name, syncs[-1].path) == ("fsync", str(tmp_path))
    if kind in (EXT4, XFS, TMPFS):
        assert [operation.name for operation in before] == ["syncfs"]
        return
    inner = f"{tmp_path}/.1{atomic.TEMPORARY}"
    assert {operation.name for operation in before} == {"fsync"}
    assert {operation.path for operation in before} == {
        *(inner, f"{inner}/key", f"{inner}/inner", f"{inner}/inner/cert"),
        f"{tmp_path}/.state{atomic.TEMPORARY}",
    }
    assert len(before) == 5


def test_the_kind_is_read(tmp_path: Path) -> None:
    """What stat(1) says of a file system is what is looked up."""
    import subprocess

    told = subprocess.run(
        ["stat", "-f", "-c", "%t", str(tmp_path)], capture_output=True, text=True, check=True
    )
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert f"{syncing.filesystem_type(fd):x}" == told.stdout.strip()
    finally:
        os.close(fd)
