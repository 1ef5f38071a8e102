"""The programs of a world: a hook that logs what it was run for, and a CA behind a command."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from tests.unit.x509_make import Made, make

SIGNED_LOG = "signed.log"
BROKEN = "hook-is-broken"
KILLS = "hook-kills"

# Of each file what it holds now: of a symlink its target, else its digest. And which
# file it is: one that was written anew is another, even if it holds the same.
_HOOK = """#!/bin/sh
set -eu
here=${{0%/*/*}}
[ ! -e "$here/{broken}" ] || {{ echo "{broken}"; exit 9; }}
files=$CERTCTL_FILES
IFS='
'
set --
stat -c '%i  %n' $files >>"$here/$CERTCTL_HOOK.inodes" 2>/dev/null || :
for file in $files; do
  if [ -L "$file" ]; then printf '%s  %s\\n' "$(readlink "$file")" "$file"
  elif [ -e "$file" ]; then set -- "$@" "$file"
  else printf 'gone  %s\\n' "$file"
  fi
done >>"$here/$CERTCTL_HOOK.log"
[ $# = 0 ] || sha256sum "$@" >>"$here/$CERTCTL_HOOK.log"
[ ! -e "$here/{kills}" ] || {{ rm "$here/{kills}"; kill -9 $PPID; }}
"""

# Signs whatever request comes, and counts.
_SIGN = """#!/bin/sh
set -eu
here=${{0%/*/*}}
openssl x509 -req -CA "$here/ca/intermediate.pem" -CAkey "$here/ca/intermediate.key" -days 90 \\
  -copy_extensions copyall -set_serial "0x$(openssl rand -hex 12)" 2>/dev/null
cat "$here/ca/intermediate.pem"
echo "$CERTCTL_CERTIFICATE $CERTCTL_ALGORITHM" >>"$here/{log}"
"""


class Authority(NamedTuple):
    """The CA that bin/sign signs with."""

    root: Made
    intermediate: Made


def install(root: Path) -> Authority:
    """Write the programs and their CA below *root*."""
    (root / "bin").mkdir()
    (root / "ca").mkdir(mode=0o700)
    install_hook(root)
    _program(root / "bin" / "sign", _SIGN.format(log=SIGNED_LOG))
    start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)
    end = start + timedelta(days=3650)
    top = make("Root", ca=True, start=start, end=end)
    below = make("Intermediate", top, ca=True, start=start, end=end)
    for name, data in (("root.pem", top.pem), ("intermediate.pem", below.pem)):
        (root / "ca" / name).write_bytes(data)
    descriptor = os.open(root / "ca" / "intermediate.key", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(below.key_pem)
    return Authority(top, below)


def sign(root: Path, request: Path) -> bytes:
    """What the CA answers to a request, as a person would get it: leaf and intermediate."""
    environment = {"PATH": os.environ["PATH"], "CERTCTL_CERTIFICATE": "by-hand", "CERTCTL_ALGORITHM": "any"}
    with request.open("rb") as source:
        command = [str(root / "bin" / "sign")]
        return subprocess.run(command, stdin=source, env=environment, capture_output=True, check=True).stdout


def install_hook(root: Path) -> None:
    """Write bin/reload, in place of whatever is there."""
    _program(root / "bin" / "reload", _HOOK.format(broken=BROKEN, kills=KILLS))


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
