"""TXT records by a program of the user's own: ``PROGRAM… add|remove NAME VALUE``, with CERTCTL_TTL."""

from __future__ import annotations

from certctl.errors import IssuerError
from certctl.issuers import program
from certctl.issuers.acme.dnslookup import Record
from certctl.issuers.acme.dnsoptions import Table
from certctl.system import programs
from certctl.system.secret import said_by

_SAID = 400
"""Characters of what the program wrote that are kept."""


class Command:
    """Runs the program once for each record; exit status 0 is success."""

    def __init__(self, table: Table, ttl: int) -> None:
        self._command = table.texts("command")
        self._ttl = ttl
        self._timeout = table.seconds("timeout", 60.0)
        if not self._command:
            raise table.wrong("command", "the program with its arguments")

    def add(self, record: Record) -> None:
        self._run("add", record)

    def remove(self, record: Record) -> None:
        self._run("remove", record)

    def _run(self, action: str, record: Record) -> None:
        """As the programs of issuers are run: checked, without a shell, in a small environment."""
        path = programs.search_path()
        found = programs.find(self._command[0], path)
        argv = [found, *self._command[1:], action, record.name, record.value]
        environment = {"PATH": path, "LC_ALL": "C.UTF-8", "CERTCTL_TTL": str(self._ttl)}
        ended = program.run(argv, environment, b"", self._timeout)
        if ended.status:
            said = (ended.output + b"\n" + ended.errors).decode("utf-8", "replace").strip()
            words = said_by(argv, said)[-_SAID:] or "it said nothing"
            raise IssuerError(
                f"{found} {action} {record.name} failed with {ended.status}: {words}",
                f"try it by hand: {said_by(argv, ' '.join(argv))}",
            )
