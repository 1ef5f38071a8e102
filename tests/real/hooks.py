"""Running the shipped hooks against real servers, and what is to be seen afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Protocol

from certctl.deploy.lookup import resolve_command, shipped_dir
from certctl.deploy.process import run_hook
from certctl.ports import HookOutcome
from tests.real.servers import pki
from tests.real.servers.process import tail, until
from tests.real.servers.require import SYSTEM, UNPACKED
from tests.real.servers.served import served


class Hooks:
    """Runs the shipped hooks, as certctl does, from a copy: one that root may trust in any checkout."""

    def __init__(self, directory: str) -> None:
        self.directory = shutil.copytree(shipped_dir("hooks"), os.path.join(directory, "hooks"))

    def __call__(
        self, *command: str, files: Sequence[str] = (), prefix: Sequence[str] = (), timeout: float = 30
    ) -> HookOutcome:
        """Run `hook:NAME` with its arguments, *files* having changed; *prefix* is a command that runs it."""
        environment = {
            "CERTCTL_HOOK": command[0],
            "CERTCTL_FILES": "\n".join(files),
            "CERTCTL_CERTIFICATES": "mx",
            "CERTCTL_CONFIG": "/etc/certctl/certctl.toml",
            "PATH": os.pathsep.join([*SYSTEM, *UNPACKED]),
        }
        argv = resolve_command([f"hook:{command[0]}", *command[1:]], self.directory)
        return run_hook([*prefix, *argv], environment, timeout)


class Server(Protocol):
    @property
    def log_file(self) -> str: ...


def said(outcome: HookOutcome, *words: str) -> bool:
    """True if the hook failed with *words* in its own last line, which also says what to type."""
    last = outcome.output.splitlines()[-1]
    assert outcome.exit_status == 1, outcome.output
    assert [word for word in (*words, "; type: ") if word not in last] == [], outcome.output
    return True


def rests(outcome: HookOutcome, *words: str) -> bool:
    """True if the hook found its server stopped, and said so with *words*: that is no failure."""
    assert outcome.exit_status == 0, outcome.output
    told = [line for line in outcome.output.splitlines() if " hook: " in line]
    line = next(line for line in told if "is not running" in line)
    assert [word for word in words if word not in line] == [], outcome.output
    return True


def succeeded(outcome: HookOutcome) -> bool:
    assert outcome.exit_status == 0, outcome.output
    return True


def reloaded(server: Server, mark: str, times: int) -> bool:
    """Wait until *mark* is in the log as often as that, and not more often."""

    def seen() -> int:
        return tail(server.log_file, 100_000).count(mark)

    until(lambda: seen() >= times, f"{times} times {mark!r}", log=server.log_file)
    assert seen() == times
    return True


def serves(
    identity: pki.Identity, server: Server, port: int, starttls: str | None = None, *, name: str | None = None
) -> bool:
    """Wait until *identity* is served on *port*: right after a reload an old process may still answer."""
    until(
        lambda: served(port, starttls, name=name) == identity.chain,
        "the right certificate is served",
        log=server.log_file,
    )
    return True


def renew(scratch: str, authority: pki.Authority, name: str = "bundle.pem") -> pki.Identity:
    """Replace the bundle in *scratch*, as certctl does: by a rename."""
    identity = pki.make_identity(authority=authority)
    os.rename(identity.save(scratch, f"{name}.new"), os.path.join(scratch, name))
    return identity
