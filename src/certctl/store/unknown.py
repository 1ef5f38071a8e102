"""Keys in configured files that the state does not have: they are never overwritten unasked.

Where the state directory was lost, emptied, restored from a backup or mistyped, or
a certificate was renamed, what is served is a key that peers pin and that exists
nowhere else. So before a file is replaced, its keys are looked for in the state.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from certctl.core import pem
from certctl.core.model import SLOTS, CertificateState, Generation
from certctl.core.observed import FileSeen
from certctl.errors import CertctlError, UnreadableError
from certctl.store.layout import Layout
from certctl.system import files


def marked(layout: Layout, state: CertificateState, seen: tuple[FileSeen, ...]) -> tuple[FileSeen, ...]:
    """*seen* (live/NAME first), those files marked as conflicts that hold a key unknown to the state.

    Before there is a current generation, every key is unknown that is not in the
    lineage itself: it may be served under another name of the configuration. Later
    a key of any lineage may be replaced, since it is kept there.
    """
    live, *configured = seen
    fresh = state.current is None
    return (
        live,
        *(
            file._replace(conflict=conflict(layout, state, file.path)) if file.problem or fresh else file
            for file in configured
        ),
    )


def conflict(layout: Layout, state: CertificateState, path: str) -> str | None:
    """Why the file at *path* must not be replaced; None: it holds no key that the state does not have.

    A symlink is looked through: what it leads to is served. Raises UnreadableError.
    """
    from certctl.core.x509_keys import is_whole

    for block, pin in _private(_content(path)):
        if pin is None and _encrypted(block):
            return f"{path} holds an encrypted key, which is not replaced"
        if pin is None or _has(layout, state, pin) or not is_whole(block.der):
            continue  # a key that is damaged is none: no program can serve it
        return f"{path} holds a key that the state does not have ({pin[:23]}…), and is not replaced"
    return None


def pins(path: str) -> list[str]:
    """The SHA-256 fingerprints of the private keys in a file. Raises UnreadableError."""
    return [pin for _, pin in _private(_content(path)) if pin is not None]


def _content(path: str) -> bytes | None:
    """What is there; None where there is no regular file. Raises UnreadableError."""
    try:
        return files.read_file(path, follow=True)
    except UnreadableError as error:
        if error.errno is None:
            return None
        raise


def served_next(state: CertificateState, seen: tuple[FileSeen, ...]) -> str | None:
    """A file that holds the keys of *next* though the state calls another generation current.

    certctl writes files after the state, so the state is an older one: it came back from a backup.
    """
    if state.current is None or state.next is None:
        return None
    waiting, current = ({key.sha256 for key in g.keys} for g in (state.next, state.current))
    if waiting == current:
        return None
    for file in seen[1:]:
        if file.problem and (held := set(pins(file.path))) and held <= waiting:
            return file.path
    return None


def _has(layout: Layout, state: CertificateState, pin: str) -> bool:
    slots: Iterator[Generation | None] = (state.slot(slot) for slot in SLOTS)
    if any(pin == key.sha256 for generation in slots if generation for key in generation.keys):
        return True
    if _holds(layout.lineage(state.name), pin):
        return True
    # Before there is a current generation, the same key may be served under another name.
    others = files.entries(f"{layout.root}/certificates") if state.current is not None else []
    return any(_holds(layout.lineage(name), pin) for name in others if name != state.name)


def _holds(directory: str, pin: str) -> bool:
    """Whether some file below *directory* holds the key of *pin*. Raises UnreadableError."""

    def fail(error: OSError) -> None:
        raise files.unreadable(error, str(error.filename))

    if not os.path.lexists(directory):
        return False
    return any(
        pin in pins(os.path.join(top, name))
        for top, _, names in os.walk(directory, onerror=fail)
        for name in names
    )


def _private(data: bytes | None) -> Iterator[tuple[pem.Block, str | None]]:
    """Each private key in *data*, with its pin; None where that cannot be told."""
    if data is None or b"PRIVATE KEY-----" not in data:
        return
    from certctl.core.x509 import key_facts

    try:
        blocks = pem.blocks(data)
    except CertctlError:
        return
    for block in blocks:
        if block.label.endswith("PRIVATE KEY"):
            try:
                yield block, key_facts(block.text).key.sha256
            except CertctlError:
                yield block, None


def _encrypted(block: pem.Block) -> bool:
    return block.label == "ENCRYPTED PRIVATE KEY" or b"\nProc-Type: 4,ENCRYPTED" in block.text


def backup(layout: Layout, state: CertificateState, path: str) -> tuple[str, bytes] | None:
    """Where the lineage keeps what the file at *path* holds before it is replaced, and the content."""
    data = _content(path)
    if not data or conflict(layout, state, path) is None:
        return None
    import hashlib

    name = f"{os.path.basename(path)}.replaced-{hashlib.sha256(data).hexdigest()[:12]}"
    return f"{layout.lineage(state.name)}/{name}", data
