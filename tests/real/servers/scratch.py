"""A directory for servers.

Its path is short, since that of a UNIX socket has at most 107 bytes, and daemons that drop root can enter it,
which they cannot with pytest's tmp_path.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

from tests.support import memory

KEEP = bool(os.environ.get("CERTCTL_TEST_KEEP"))


@contextlib.contextmanager
def scratch_directory() -> Iterator[str]:
    """Yield the path of a new directory, 0755, removed at the end (kept if CERTCTL_TEST_KEEP is set)."""
    path = tempfile.mkdtemp(prefix="certctl-", dir=memory.PLACE)
    os.chmod(path, 0o755)
    try:
        yield path
    finally:
        if not KEEP:
            shutil.rmtree(path)


def write(path: str, text: str | bytes, mode: int = 0o644) -> str:
    """Write a file of a server's configuration whole, with *mode*; return its path."""
    data = text if isinstance(text, bytes) else text.encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path
