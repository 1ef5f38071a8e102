"""Proofs: what challenges ask for, who needs them, and notes of them, so that no crash leaves one there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import threading
import uuid
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol, TypeVar

from certctl.errors import CertctlError
from certctl.store import atomic


class Proof(NamedTuple):
    """The answer to one challenge for one name."""

    name: str
    """A DNS name without "*.", or an IP address."""
    is_ip: bool
    token: str
    key_authorization: str
    """RFC 8555 §8.1."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key authorization: what tls-alpn-01 carries (RFC 8737 §3)."""
        return hashlib.sha256(self.key_authorization.encode()).digest()

    @property
    def txt(self) -> str:
        """The TXT record's value for dns-01 (RFC 8555 §8.4)."""
        return urlsafe_b64encode(self.digest).decode().rstrip("=")


Asked = Callable[[Proof, float], bool]
"""Waits until a proof has been looked at, for at most so many seconds; True: it was."""


class Solver(Protocol):
    """Makes proofs visible to the CA."""

    def present(self, proofs: Sequence[Proof]) -> AbstractContextManager[Asked | None]:
        """Return a context in which all *proofs* can be seen; whatever was put up is gone after it.

        What it yields tells when the CA has come; None where nobody here can know.
        It may be entered from several threads at once. Raises `CertctlError` where a proof cannot
        be put up; then nothing stays.
        """


AT_ONCE = 6
"""Requests of one order that are on their way together."""
Each = TypeVar("Each")
Result = TypeVar("Result")


def at_once(function: Callable[[Each], Result], items: Sequence[Each]) -> list[Result]:
    """Return what *function* makes of each item, several at a time: a server far away is slow for each."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(len(items), AT_ONCE)) as pool:
        return list(pool.map(function, items))


class Holders:
    """Counts who needs a thing. Two orders may share an authorization, and so its proof."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def hold(self, thing: str) -> None:
        with self._lock:
            self._counts[thing] += 1

    def release(self, thing: str) -> bool:
        """Return True if nobody holds *thing* any more."""
        with self._lock:
            self._counts[thing] -= 1
            if self._counts[thing] > 0:
                return False
            del self._counts[thing]
            return True


class Turns:
    """Lets one order at a time have a name: a TLS server can show one certificate for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[str] = set()

    @contextlib.contextmanager
    def take(self, names: Collection[str]) -> Iterator[None]:
        """Wait until all *names* are free, and have them within the context."""
        with self._changed:
            # All at once: two orders that hold one name each and want the other's would wait for ever.
            self._changed.wait_for(lambda: self._taken.isdisjoint(names))
            self._taken.update(names)
        try:
            yield
        finally:
            with self._changed:
                self._taken.difference_update(names)
                self._changed.notify_all()


Item = Sequence[str]
Remover = Callable[[Item], None]
_ours: set[str] = set()
"""The notes of this process, whichever issuer of its wrote them."""
_log = logging.getLogger("certctl.acme")


class Leftovers:
    """The notes of one issuer.

    One in HOME/leftovers is written before anything is put up, and removed after all of it is gone
    again. A note that another process wrote is of one that died: the pass lock lets only one live.
    """

    def __init__(self, home: str) -> None:
        self._directory = os.path.join(home, "leftovers")
        self._lock = threading.Lock()
        self._swept = False

    def note(self, kind: str, items: Sequence[Item]) -> str:
        """Durably note *items* that are about to be put up; return what `clear` takes."""
        atomic.make_directory(self._directory)
        path = os.path.join(self._directory, f"{uuid.uuid4().hex}.json")
        _ours.add(path)
        document = {"kind": kind, "items": [list(item) for item in items]}
        atomic.write(path, json.dumps(document).encode(), 0o600)
        return path

    def clear(self, note: str, items: Sequence[Item], remove: Remover) -> None:
        """Remove *items* and then their *note*; what resists is logged, and the next process tries again."""
        gone = True
        for item in items:
            try:
                remove(item)
            except (CertctlError, OSError) as error:
                _log.warning("could not take away %s: %s", " ".join(item), error)
                gone = False
        if gone:
            atomic.remove(note)
        _ours.discard(note)

    def sweep(self, removers: Mapping[str, Remover]) -> None:
        """Once a process: take away what processes that died had put up."""
        with self._lock:
            if self._swept:
                return
            self._swept = True
            for path in self._notes(atomic.TEMPORARY):  # of a note that was not done: nothing was put up
                if not _ours:
                    atomic.remove(path)
            for path in set(self._notes(".json")) - _ours:
                kind, items = _read(path)
                if kind in removers:
                    self.clear(path, items, removers[kind])
                else:
                    _log.warning("%s: left by %s, which is not configured any more", path, kind)

    def _notes(self, ending: str) -> list[str]:
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return []
        return [os.path.join(self._directory, name) for name in names if name.endswith(ending)]


def _read(path: str) -> tuple[str, list[Item]]:
    try:
        with open(path, "rb") as file:
            document = json.load(file)
        return str(document["kind"]), [[str(part) for part in item] for item in document["items"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"something unreadable ({error})", []
