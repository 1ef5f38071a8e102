"""Directories with a certctl.toml of many certificates."""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from tests.bench.installed import Installed
from tests.bench.measure import Command, Run, run

HOOK = """\
#!/bin/sh
echo run >>"${0%/*}/hook.log"
"""


class Home(NamedTuple):
    """One directory: certctl.toml, state/, out/ (one bundle for each certificate), a hook that counts its runs."""

    root: str
    installed: Installed

    def command(self, *argv: str, status: tuple[int, ...] = (0,)) -> Command:
        """A certctl command in this directory."""
        path = f"{self.root}/certctl.toml"
        return Command([self.installed.certctl, "--config", path, *argv], cwd=self.root, status=status)

    def do(self, *argv: str, status: tuple[int, ...] = (0,)) -> Run:
        """Run one."""
        return run(self.command(*argv, status=status))

    def hook_runs(self) -> int:
        """How often the hook ran so far."""
        try:
            with open(f"{self.root}/hook.log", encoding="ascii") as file:
                return len(file.readlines())
        except FileNotFoundError:
            return 0

    def names(self) -> list[str]:
        """The certificates, in order."""
        return [name.removesuffix(".pem") for name in sorted(os.listdir(f"{self.root}/out"))]

    def empty(self) -> None:
        """Forget all that was made; the configuration stays."""
        for part in ("state", "out"):
            shutil.rmtree(f"{self.root}/{part}", ignore_errors=True)
        os.mkdir(f"{self.root}/out")


def make(
    root: str,
    installed: Installed,
    count: int,
    *,
    issuer: str = "self-signed",
    more: str = "",
    tables: str = "",
) -> Home:
    """Write the configuration of *count* certificates of *issuer*, one file and one hook each; nothing is run.

    *more*: more keys of each certificate, a line each; *tables*: more tables.
    """
    os.makedirs(f"{root}/out", mode=0o755)
    hook = f"{root}/hook"
    with open(hook, "w", encoding="ascii") as file:
        file.write(HOOK)
    os.chmod(hook, 0o755)
    lines = ['state_dir = "state"', tables, f'[hook.reload]\ncommand = ["{hook}"]']
    for number in range(count):
        name = f"c{number:05d}"
        lines.append(
            f'[certificate.{name}]\nnames = ["{name}.example.test"]\nissuer = "{issuer}"\n{more}'
            f'[[certificate.{name}.file]]\npath = "out/{name}.pem"\nhooks = ["reload"]'
        )
    with open(f"{root}/certctl.toml", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    return Home(root, installed)


def settled(root: str, installed: Installed, count: int, *, more: str = "", tables: str = "") -> Home:
    """The same, after the passes that leave nothing to do."""
    home = make(root, installed, count, more=more, tables=tables)
    home.do("-q", "run")
    home.do("-q", "run")
    home.do("plan", "--check")
    return home
