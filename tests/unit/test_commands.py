"""Every verb has its module, its arguments, and what is called with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from certctl.cli import commands, parser
from certctl.cli.commands import COMMANDS

REQUIRED = {
    "rotate": ["mx1"],
    "renew": ["mx1"],
    "rollback": ["mx1"],
    "ack": ["mx1", "peer"],
    "accept": ["mx1", "mx1.pem"],
    "account": ["show", "le"],
    "revoke": ["mx1"],
    "import": ["pem"],
}


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_calls_something(verb: str) -> None:
    """What a verb's arguments say is called stands in the verb's own module."""
    arguments = parser.build(verb).parse_args([verb, *REQUIRED.get(verb, [])])
    assert arguments.command == verb
    assert arguments.call.__module__ == f"{commands.__name__}.{COMMANDS[verb][0]}"


def test_every_module_is_named() -> None:
    """No module lies beside the verbs that none of them has."""
    there = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__"}
    assert there == {module for module, _ in COMMANDS.values()}


def test_only_what_looks_handles_no_keys() -> None:
    """A process has core dumps only where no key is read in it."""
    light = {
        verb for verb in COMMANDS if not parser.build(verb).parse_args([verb, *REQUIRED.get(verb, [])]).keys
    }
    assert light == {"plan", "status", "log", "fingerprints"}


def test_help_needs_no_verb() -> None:
    """The list of the commands is printed without the module of any of them."""
    code = (
        "import sys; from certctl.cli.main import main; main(['--help']);"
        "sys.exit(any(name.startswith('certctl.cli.commands.') for name in sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "  rotate " in process.stdout
