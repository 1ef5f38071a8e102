"""Processes that order a certificate, or roll the account's key over, and can be killed on the way.

`python -m tests.fault.acme_child` loads everything once and then forks, for each line of JSON on its
standard input, a process that does what the line says. It writes the pid, and later the exit status.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

from certctl.errors import CertctlError
from certctl.issuers.acme import http01, obtain
from certctl.issuers.acme.issuer import AcmeIssuer, account_rollover
from certctl.planning.spec import AcmeOptions, IssuerSpec
from certctl.ports import IssueRequest
from certctl.store import atomic

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOADED = (http01, obtain)
"""What an issuer imports late is there before the first fork."""


class Task(NamedTuple):
    """What one process is to do."""

    options: dict[str, Any]
    home: str
    work_dir: str
    names: list[str]
    key_pem: str
    action: str = "issue"
    die_at: int | None = None
    """The durable operation, from 0, before which it kills itself."""

    @property
    def kept(self) -> str:
        """Where the chain is kept that it was given."""
        return os.path.join(self.work_dir, "kept.pem")

    @property
    def log(self) -> str:
        return f"{self.work_dir}.log"


class Children:
    """Starts processes, one after the other."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._parent = parent

    def run(self, task: Task, on_pid: Callable[[int], None] = lambda _: None) -> tuple[int, str]:
        """Run *task* to its end; return the exit status (negative: a signal) and what was logged.

        0: done; 3: a CertctlError, which is the last thing that was logged.
        """
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(task._asdict()) + "\n")
        self._parent.stdin.flush()
        on_pid(int(self._parent.stdout.readline()))
        status = int(self._parent.stdout.readline())
        with open(task.log, encoding="utf-8") as file:
            said = file.read()
        assert status in (0, 3, -signal.SIGKILL), said
        return status, said


@contextlib.contextmanager
def children() -> Iterator[Children]:
    """Run the process that starts others."""
    argv = [sys.executable, "-m", "tests.fault.acme_child"]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        yield Children(parent)
        assert parent.stdin is not None
        parent.stdin.close()


def main() -> None:
    for line in sys.stdin:
        task = Task(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            os._exit(_run(task))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(task: Task) -> int:
    log = os.open(task.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if task.die_at is not None:
        atomic.seam = _Killer(task.die_at).before
    options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in task.options.items()}
    issuer = AcmeIssuer(IssuerSpec("ca", "acme", acme=AcmeOptions(**options)), task.home)
    try:
        if task.action == "rollover":
            account_rollover(issuer)
        else:
            _issue(issuer, task)
    except CertctlError as error:
        logging.error("%s", error)  # noqa: TRY400 (no traceback: it is expected)
        return 3
    except BaseException:
        logging.exception("a bug")
        return 1
    return 0


def _issue(issuer: AcmeIssuer, task: Task) -> None:
    """Do what the engine does: issue, keep, finish."""
    now = datetime.now(timezone.utc)
    names, key = tuple(task.names), task.key_pem.encode()
    request = IssueRequest("mx1", 1, "ecdsa-p256", names, key, 90 * 86400.0, now, task.work_dir)
    issued = issuer.issue(request)
    atomic.write(task.kept, b"".join(issued.chain), 0o600)
    issuer.finish(request)


class _Killer:
    """Kills the process before the durable operation of a number."""

    def __init__(self, number: int) -> None:
        self._left = number

    def before(self, *_: str) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


if __name__ == "__main__":
    main()
