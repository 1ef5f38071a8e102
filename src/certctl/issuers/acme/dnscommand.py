"""TXT records by a program of the user's own: ``PROGRAM… add|remove NAME VALUE``, with CERTCTL_TTL."""

from __future__ import annotations

import os
import signal
import subprocess

from certctl.errors import IssuerError
from certctl.issuers.acme.dnslookup import Record
from certctl.issuers.acme.dnsoptions import Table

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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
        """No shell, a small environment, a process group of its own, which the timeout ends whole."""
        argv = [*self._command, action, record.name, record.value]
        environment = {
            "PATH": os.environ.get("PATH", PATH),
            "LC_ALL": "C.UTF-8",
            "CERTCTL_TTL": str(self._ttl),
        }
        try:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise IssuerError(
                f"cannot run {argv[0]}: {why}", "check the path and its mode", transient=False
            ) from error
        with child:
            try:
                output, _ = child.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired as error:
                raise IssuerError(
                    f"{argv[0]} {action} {record.name} was ended after {self._timeout:g} s"
                ) from error
            finally:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
        if child.returncode:
            said = output.decode("utf-8", "replace").strip()[-400:] or "it said nothing"
            raise IssuerError(
                f"{argv[0]} {action} {record.name} failed with {child.returncode}: {said}",
                f"try it by hand: {' '.join(argv)}",
            )
