"""Keys and certificates in configured files that the state does not have: never overwritten unasked.

Where the state directory was lost, emptied, restored from a backup or mistyped, or
a certificate was renamed, what is served is a key that peers pin and that exists
nowhere else. So before a file is replaced, its keys are looked for in the state.
A file without a key tells by its certificate whose it is: two configurations that
write one path would else replace each other's in every pass.
"""

import os
from collections.abc import Iterator
from typing import NamedTuple

from certctl.errors import CertctlError, UnreadableError
from certctl.planning.observed import FileSeen
from certctl.planning.state import SLOTS, CertificateState, Generation
from certctl.store.layout import Layout
from certctl.system import files
from certctl.x509 import pem


class Conflict(NamedTuple):
    """Why a file is not replaced."""

    text: str
    is_strange: bool = False
    """Whether it holds no key, only a certificate for one."""


def marked(layout: Layout, state: CertificateState, seen: tuple[FileSeen, ...]) -> tuple[FileSeen, ...]:
    """*seen* (live/NAME first), those files marked as conflicts that hold what the state does not know.

    Before there is a current generation, every key is unknown that is not in the
    lineage itself: it may be served under another name of the configuration. Later
    a key of any lineage may be replaced, since it is kept there.
    """
    live, *configured = seen
    fresh = state.current is None
    return (
        live,
        *(
            _marked(file, conflict(layout, state, file.path)) if file.problem or fresh else file
            for file in configured
        ),
    )


def _marked(file: FileSeen, found: Conflict | None) -> FileSeen:
    return file if found is None else file._replace(conflict=found.text, is_strange=found.is_strange)


def conflict(layout: Layout, state: CertificateState, path: str) -> Conflict | None:
    """Why the file at *path* must not be replaced; None: it holds nothing that the state does not have.

    A symlink is looked through: what it leads to is served. Raises UnreadableError.
    """
    from certctl.x509.keys import is_whole

    data, has_key = _content(path), False
    for block, pin in _private(data):
        has_key = True
        if pin is None and _encrypted(block):
            return Conflict(f"{path} holds an encrypted key, which is not replaced")
        if pin is None or _has(layout, state, pin) or not is_whole(block.der):
            continue  # a key that is damaged is none: no program can serve it
        return Conflict(f"{path} holds a key that the state does not have ({pin[:23]}…), and is not replaced")
    strange = None if has_key else _strange(layout, state, data)
    if strange is None:
        return None
    what = f"a certificate for a key that the state does not have ({strange[:23]}…)"
    return Conflict(f"{path} holds {what}, and is not replaced", is_strange=True)


def _strange(layout: Layout, state: CertificateState, data: bytes | None) -> str | None:
    """The key's pin of a leaf in *data* that was not issued here; None: there is none."""
    from certctl.x509.certificate import load

    if data is None or b"CERTIFICATE-----" not in data:
        return None
    try:
        leaf = load(data)
    except CertctlError:
        return None  # damaged: nobody can serve it
    if leaf.is_ca or _has(layout, state, leaf.key_sha256, anywhere=True):
        return None
    return leaf.key_sha256


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

    certctl writes files after the state, so the state is an older one: it came back from a backup. Where
    current or previous has these keys too (next is a renewal), the file is one that is not written yet.
    """
    if state.current is None or state.next is None:
        return None
    waiting = {key.sha256 for key in state.next.keys}
    written = [generation for generation in (state.current, state.previous) if generation]
    if any(waiting == {key.sha256 for key in generation.keys} for generation in written):
        return None
    for file in seen[1:]:
        if file.problem and (held := set(pins(file.path))) and held <= waiting:
            return file.path
    return None


def _has(layout: Layout, state: CertificateState, pin: str, *, anywhere: bool = False) -> bool:
    slots: Iterator[Generation | None] = (state.slot(slot) for slot in SLOTS)
    if any(pin == key.sha256 for generation in slots if generation for key in generation.keys):
        return True
    if _holds(layout.lineage(state.name), pin):
        return True
    # Before there is a current generation, the same key may be served under another name.
    anywhere = anywhere or state.current is not None
    others = files.entries(f"{layout.root}/certificates") if anywhere else []
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
    from certctl.x509.keys import key_facts

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
