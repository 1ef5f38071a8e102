"""Who asks: the name of the person behind a command, for the journal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

_MOST = 64


def name(environ: Mapping[str, str] = os.environ) -> str:
    """The login that called us; root through sudo or doas is who called those.

    Only root is believed what the environment says: anybody else could claim to be somebody.
    """
    uid = os.getuid()
    found = ""
    if uid == 0:
        found = environ.get("SUDO_USER") or environ.get("DOAS_USER") or _login()
    return _plain(found or _account(uid))


def _login() -> str:
    """Whose session it is; empty where it belongs to no terminal (a timer, a container)."""
    with contextlib.suppress(OSError):
        return os.getlogin()
    return ""


def _account(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:_MOST]
