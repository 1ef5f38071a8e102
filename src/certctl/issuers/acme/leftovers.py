"""What was put up outside (tokens in a webroot, TXT records), noted first, so that no crash leaves it there.

A note in HOME/leftovers is written before anything is put up, and removed after all of it is gone
again. A note that another process wrote is of one that died: the pass lock lets only one live.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence

from certctl.errors import CertctlError
from certctl.store import atomic

Item = Sequence[str]
Remover = Callable[[Item], None]
_ours: set[str] = set()
"""The notes of this process, whichever issuer of its wrote them."""
_log = logging.getLogger("certctl.acme")


class Leftovers:
    """The notes of one issuer."""

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
