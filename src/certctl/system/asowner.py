"""Acting as the owner of a directory, in a process that has dropped root for good.

What root does in somebody else's directory, its owner can try to lead elsewhere. What
is done with no more rights than he has gives him nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from certctl.errors import StoreError

_LONGEST = 30.0
"""Seconds: for some small files."""


def as_user(uid: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call a module's *function* with *arguments* (what JSON can hold); as *uid*, if only we are root.

    Its group is the user's own, without others. Raises the StoreError that *function*
    raises, or one that tells how else it ended.
    """
    if os.geteuid() != 0 or uid == 0:
        function(*arguments)
        return
    from subprocess import PIPE, Popen, TimeoutExpired

    request = json.dumps([uid, _group(uid), function.__module__, function.__name__, arguments]).encode()
    command = [sys.executable, "-I", "-c", f"from {__name__} import main; main()"]
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env={}, cwd="/") as child:
        try:
            answer, trouble = child.communicate(request, _LONGEST)
        except TimeoutExpired:
            child.kill()
            raise StoreError(f"the files of user {uid} were not written within {_LONGEST:g} s") from None
    if child.returncode != 0 or not answer:
        last = trouble.decode(errors="replace").strip().splitlines()[-1:]
        raise StoreError(f"what was to be done as user {uid} failed: {''.join(last) or child.returncode}")
    failure = json.loads(answer)
    if failure is not None:
        message, hint = failure
        raise StoreError(message, hint)


def _group(uid: int) -> int:
    """The group that the user has by himself; nobody's where there is no such user."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return 65534


def main() -> None:
    """In the child: do what standard input asks for, and answer null, or message and hint."""
    with open(0, "rb") as stream:
        uid, gid, module, name, arguments = json.loads(stream.read())
    # Before root is gone: certctl may be installed where only root can read.
    function = getattr(importlib.import_module(module), name)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    try:
        function(*arguments)
        failure = None
    except StoreError as error:
        failure = (error.message, error.hint)
    os.write(1, json.dumps(failure).encode())
