"""Secrets in files that a person named: nobody else may know them."""

from __future__ import annotations

import os
import stat

from certctl.errors import CertctlError
from certctl.system.files import read_given


def read_secret(path: str) -> bytes:
    """As `files.read_given`. Raises CertctlError also where everybody may read or write the file."""
    check_closed(path)
    return read_given(path)


def check_closed(path: str) -> None:
    """Raise CertctlError if everybody has some right to the file *path*, where there is one."""
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return
    if mode & stat.S_IRWXO:
        raise CertctlError(
            f"{path} is open to everybody (mode {mode:04o})", f"chmod o-rwx {path}", transient=False
        )
