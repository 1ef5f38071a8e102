"""README.md: its first command in a clean checkout, and everything that it shows after it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from certctl.cli.commands import COMMANDS
from tests.real.servers import require
from tests.transcript import session
from tests.transcript.blocks import Command, commands
from tests.unit.config_files import load_text

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

# How pip reaches a registry is the machine's affair; taken before tests get their known environment.
REGISTRY = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy")}
UNREACHABLE = re.compile(r"ConnectionError|Connection\w* refused|Temporary failure|No matching distribution")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clone holds, in a fresh directory."""
    left = shutil.ignore_patterns(".*", "__pycache__", "demo", "build", "dist", "*.egg-info")
    return Path(shutil.copytree(ROOT, tmp_path / "certctl", ignore=left))


def online(home: Path) -> Mapping[str, str]:
    return session.environment(home, PIP_RETRIES="0", PIP_TIMEOUT="15", **REGISTRY)


def offline(home: Path) -> Mapping[str, str] | None:
    """Without a registry: what pip would fetch is there, in the environment of the tests."""
    if importlib.util.find_spec("hatchling") is None:
        return None
    there = sysconfig.get_path("purelib")
    # pip turns this variable round: "0" switches build isolation off.
    return session.environment(home, PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0", PYTHONPATH=there)


@pytest.mark.slow
def test_readme_as_written(checkout: Path) -> None:
    """A newcomer types what the page says, one block after the other, and sees what it shows."""
    typed = commands(README)
    assert typed[0].text.startswith("python3 -m venv"), "the first block is the first thing to type"
    results = session.run(typed, checkout, online(checkout))
    if results[0].status and UNREACHABLE.search("\n".join(results[0].lines)):
        results = _without_registry(typed, checkout)
    assert not (wrong := session.complaints(results)), "\n\n".join(wrong)


def _without_registry(typed: list[Command], checkout: Path) -> list[session.Result]:
    environment = offline(checkout) or require.missing(
        "pip reaches no registry", "with hatchling installed beside the tests it would need none"
    )
    shutil.rmtree(checkout / ".venv")
    return session.run(typed, checkout, environment)


def test_second_command_is_what_ci_runs() -> None:
    """The page's second command runs this very test, and CI runs the same script."""
    assert "```sh\nbash tests/run\n```" in README.read_text(encoding="utf-8")
    assert re.search(r'bash "\$\(dirname .*\)/../tests/run"', (ROOT / ".ci/run").read_text(encoding="utf-8"))


def test_table_has_every_command() -> None:
    """The commands of the table are those of `certctl --help`, in any order."""
    rows = re.findall(r"^\| `(\w+)[ `]", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def test_configuration_is_valid(tmp_path: Path) -> None:
    """What is to be pasted into certctl.toml is taken by certctl."""
    examples = re.findall(
        r"^```toml\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert examples
    for example in examples:
        assert load_text(tmp_path, example).certificates
