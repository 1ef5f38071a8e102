"""docs/rollover.md: two hosts do what it says, and what it says to type elsewhere can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from certctl.cli import parser
from tests.transcript import session
from tests.transcript.blocks import commands
from tests.unit.config_files import problems

PAGE = Path(__file__).parents[2] / "docs/rollover.md"
TEXT = PAGE.read_text(encoding="utf-8")
_SPANS = re.findall(r"`(certctl [^`]+)`", TEXT)
_BLOCKS = "".join(re.findall(r"^```\w+\n.*?^```", TEXT, re.MULTILINE | re.DOTALL))
_LINES = re.findall(r"^(?:\$ )?(certctl .*)$", _BLOCKS, re.MULTILINE)
TYPED = sorted({line.partition("  #")[0] for line in (*_SPANS, *_LINES)})


def test_rollover_as_written(tmp_path: Path) -> None:
    """A host that is pinned and its peer: told, rotated, keys lost and stolen, as the page says."""
    (tmp_path / "root").mkdir()
    env = session.environment(tmp_path)
    below = ["/var/lib/certctl", "/var/www", "/etc/certctl", "/etc/postfix", "/srv/thumb", "/root/"]
    wrong = session.complaints(session.run(commands(PAGE), tmp_path, env, below))
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("line", TYPED)
def test_commands_exist(line: str) -> None:
    """Every command with its options, wherever it stands on the page, is one that certctl takes."""
    words = shlex.split(line.partition("|")[0])[1:]
    command = next(word for word in words if not word.startswith("-"))
    parser.build(command).parse_args(words)


def test_configuration_is_valid(tmp_path: Path) -> None:
    """What is to be pasted into certctl.toml is taken by certctl."""
    for example in re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        assert problems(tmp_path, example) == []
