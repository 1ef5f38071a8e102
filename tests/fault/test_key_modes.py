"""At no instant is a private key readable by anyone who may not read it in the end."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fault import syscalls
from tests.support import scenarios
from tests.support.world import World


def _group() -> str:
    """A group to hand keys to: as root one of others, else one of our own."""
    if os.geteuid() == 0:
        return grp.getgrgid(65534).gr_name
    return str(os.getegid())


SHARED = f"""
[[certificate.mx1.file]]
path = "tls/shared.pem"
mode = "0440"
group = "{_group()}"
[[certificate.mx1.file]]
path = "tls/public.pem"
parts = ["cert", "chain"]
"""

COMMANDS = (
    ("run",),
    ("renew", "mx1"),
    ("rotate", "mx1"),
    ("rotate", "mx1"),
    ("rollback", "mx1"),
    ("rotate", "mx1", "--abort"),
)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o027], ids=oct)
@pytest.mark.parametrize("name", ["private-ca", "two-keys", "command"])
def test_at_every_instant(
    world: World, require_program: Callable[[str], str], tmp_path: Path, umask: int, name: str
) -> None:
    """A file that gets a key, or a directory of state, is as closed when it is made as in the end."""
    texts = {"private-ca": scenarios.PRIVATE_CA, "two-keys": scenarios.TWO_KEYS, "command": scenarios.COMMAND}
    world.configure(texts[name] + SHARED)
    log = tmp_path / "strace.log"
    strace = syscalls.command(require_program("strace"), log)
    root = str(world.root)
    group = grp.getgrnam(_group()).gr_gid if not _group().isdigit() else int(_group())
    final = {f"{world.tls}/shared.pem": (0o440, group)}
    keys: set[str] = set()
    for command in COMMANDS:
        (world.tls / "mx1.pem").unlink(missing_ok=True)
        ran = world.outside(*command, under=strace, umask=umask)
        assert ran.code == 0, ran
        written = syscalls.keys_written(log)
        keys |= written
        for instant in syscalls.instants(log, umask, root):
            if instant.directory and instant.path.startswith(world.layout.root):
                assert not instant.mode & 0o077, instant
            if instant.path in written:
                assert not syscalls.too_open(instant, final), instant
    # The log was understood: keys of generations, of issuances, and of outputs passed by.
    assert any(path.endswith("/ecdsa-p256.key") for path in keys)
    assert any(path.endswith("/key.pem") for path in keys)
    assert f"{world.tls}/.shared.pem.certctl-tmp" in keys
    info = os.stat(world.tls / "shared.pem")
    assert (stat.S_IMODE(info.st_mode), info.st_gid) == (0o440, group)
    assert stat.S_IMODE(os.stat(world.tls / "mx1.pem").st_mode) == 0o600


def test_the_watch_sees(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    """A program that opens a key to others for a moment does not get past the watch."""
    import subprocess
    import sys

    careless = (
        "import os, sys\n"
        "with open(sys.argv[1], 'w') as file: file.write('-----BEGIN PRIVATE KEY-----')\n"
        "os.chmod(sys.argv[1], 0o600)\n"
    )
    log, key = tmp_path / "strace.log", tmp_path / "key.pem"
    strace = syscalls.command(require_program("strace"), log)
    subprocess.run([*strace, sys.executable, "-c", careless, str(key)], check=True, umask=0o022)
    assert str(key) in syscalls.keys_written(log)
    seen = list(syscalls.instants(log, 0o022, str(key)))
    assert [instant.mode for instant in seen] == [0o644, 0o600]
    assert [syscalls.too_open(instant, {}) for instant in seen] == [True, False]
