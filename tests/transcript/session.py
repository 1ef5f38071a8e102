"""One shell for all commands of a page, as a reader has one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.transcript.blocks import Command
from tests.transcript.compare import difference

_MARK = "\x1e"
LONGEST = 300.0


class Result(NamedTuple):
    """What one command gave."""

    command: Command
    status: int
    lines: tuple[str, ...]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a reader's shell has: the programs of the environment that runs the tests come first."""
    programs = os.path.dirname(sys.executable)
    return {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        # In a pipe, too, messages and answers come in the order of a terminal.
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def run(
    commands: Sequence[Command],
    directory: Path,
    env: Mapping[str, str],
    below: Sequence[str] = (),
) -> list[Result]:
    """Run *commands* one after the other in *directory*; the first that cannot be run ends it.

    Paths that begin with one of *below* ("/etc/certctl") are taken to stand below
    *directory*, and shown without it again.
    """
    script = "".join(_step(command) for command in commands)
    for prefix in below:
        script = script.replace(prefix, f"{directory}{prefix}")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],
        stdin=subprocess.DEVNULL,
        cwd=directory,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    output = done.stdout.replace(f"{directory}/", "/") if below else done.stdout
    pieces = output.split(_MARK)
    results = []
    for command, text, status in zip(commands, pieces[0::2], pieces[1::2], strict=False):
        results.append(Result(command, int(status), tuple(text.splitlines())))
    if len(results) < len(commands):
        at = commands[len(results)]
        raise AssertionError(f"{at.place}: {at.text}\nended the shell:\n{pieces[-1]}")
    return results


def _step(command: Command) -> str:
    """Run it in this shell, so that it may change directory; tell its status, and keep it for `echo $?`."""
    return f"(exit ${{status:-0}})\n{command.text.rstrip()}\nstatus=$?; printf '{_MARK}%d{_MARK}' $status\n"


def complaints(results: Sequence[Result]) -> list[str]:
    """What is not as the page says: another output, or a failure that it does not show (`echo $?`)."""
    found = []
    for at, result in enumerate(results):
        place = f"{result.command.place}: {result.command.text.strip()}"
        if result.command.expected is not None:
            wrong = difference(result.command.expected, result.lines)
            if wrong:
                found.append(f"{place}\n{wrong}")
        following = results[at + 1].command.text if at + 1 < len(results) else ""
        if result.status and following.strip() != "echo $?":
            came = "\n".join(result.lines)
            found.append(f"{place}\nends with status {result.status}:\n{came}")
    return found
