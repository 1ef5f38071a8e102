"""A program that is told the pins, as JSON on standard input, and shows them wherever it likes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from datetime import datetime

from certctl.announce import files, memory
from certctl.announce.tools import Shown, Tools
from certctl.errors import CertctlError
from certctl.planning import feed
from certctl.planning.observed import AnnouncerSeen
from certctl.planning.pins import Announced
from certctl.planning.spec import AnnouncerSpec
from certctl.planning.state import Observation
from certctl.planning.times import rfc3339

NOT_YET = 75
"""The exit status (EX_TEMPFAIL of sysexits.h) that says: shown, but not seen by all who must see it."""


class CommandAnnouncer:
    """Runs the program when it was told something else last, and again while it says that others lag."""

    def __init__(self, spec: AnnouncerSpec, tools: Tools, home: str) -> None:
        self.spec = spec
        self._tools = tools
        self._path = os.path.join(home, "told.json")

    def observe(self, wanted: Mapping[str, Announced]) -> AnnouncerSeen:
        """What the program was told last; what became of it cannot be seen from here."""
        want = {name: self._digest(entry) for name, entry in wanted.items()}
        return AnnouncerSeen(want, memory.texts(memory.load(self._path).get("certificates")))

    def show(self, wanted: Mapping[str, Announced], now: datetime) -> Shown:
        """Tell the program. Exit status 0: shown and seen; 75: shown; anything else: failed."""
        watch = files.Stopwatch(now)
        memory.load(self._path)  # where it cannot be read, nobody is told
        document = {
            "version": 1,
            "announcer": self.spec.name,
            "now": rfc3339(now),
            "certificates": [feed.entry_document(entry) for entry in wanted.values()],
        }
        ended = self._tools.run(self.spec.command, json.dumps(document).encode(), self.spec.timeout)
        last = (ended.output.strip().splitlines() or ["it said nothing"])[-1]
        if ended.status not in (0, NOT_YET):
            raise CertctlError(
                f"{self.spec.command[0]} failed with exit status {ended.status}: {last}",
                f"when it is mended: certctl announce {self.spec.name}",
            )
        told = {name: self._digest(entry) for name, entry in wanted.items()}
        memory.save(self._path, {"version": 1, "certificates": told})
        if ended.status == NOT_YET:
            return Shown({}, dict.fromkeys(wanted, last))
        return Shown(dict.fromkeys(wanted, Observation(watch.now())))

    def _digest(self, entry: Announced) -> str:
        """Of what is told, and to which program: another one has heard nothing yet."""
        told = json.dumps([self.spec.command, feed.entry_document(entry)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()
